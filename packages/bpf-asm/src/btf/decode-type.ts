import { BpfAsmError } from '../error.ts';
import { ENCODINGS, KIND_NAME, LINKAGES } from './kinds.ts';
import type { StringTable } from './strings.ts';
import type { BtfInt, BtfLinkage, BtfMember, BtfType } from './types.ts';

/**
 * Decodes the type from `at` to `end`, which was found to be in range.
 *
 * @throws BpfAsmError `ERR_BTF` when a name is out of range or a field has no such value.
 */
export function decodeType(view: DataView, at: number, end: number, little: boolean, strings: StringTable): BtfType {
  const word = (offset: number): number => view.getUint32(at + offset, little);
  const name = strings.at(word(0));
  const info = word(4);
  const vlen = info & 0xff_ffff;
  const flag = info >>> 31 === 1;
  const sizeOrType = word(8);
  const list = <T>(each: number, element: (offset: number) => T): T[] => {
    const elements: T[] = [];
    for (let i = 0, offset = 12; i < vlen; i++, offset += each) elements.push(element(offset));
    return elements;
  };
  const bad = (what: string, value: number): BpfAsmError =>
    new BpfAsmError('ERR_BTF', `${what} cannot be ${value}`, { byteOffset: at });
  const linkage = (value: number): BtfLinkage => {
    const known = LINKAGES[value];
    if (known === undefined) throw bad('a linkage', value);
    return known;
  };

  const kind = KIND_NAME[(info >>> 24) & 0x7f];
  switch (kind) {
    case 'int': {
      const { encoding, bitOffset, bits } = intOf(word(12));
      if (encoding === undefined) throw bad('the encoding of an integer', word(12) >>> 24);
      return { kind, name, size: sizeOrType, bits, bitOffset, encoding };
    }
    case 'ptr':
    case 'volatile':
    case 'const':
    case 'restrict':
      return { kind, type: sizeOrType };
    case 'array':
      return { kind, element: word(12), index: word(16), length: word(20) };
    case 'struct':
    case 'union':
      return {
        kind,
        name,
        size: sizeOrType,
        members: list(12, (offset): BtfMember => {
          const place = word(offset + 8);
          return {
            name: strings.at(word(offset)),
            type: word(offset + 4),
            bitOffset: flag ? place & 0xff_ffff : place,
            bitSize: flag ? place >>> 24 : 0,
          };
        }),
      };
    case 'enum':
      return {
        kind,
        name,
        size: sizeOrType,
        signed: flag,
        values: list(8, (offset) => ({
          name: strings.at(word(offset)),
          value: flag ? word(offset + 4) | 0 : word(offset + 4),
        })),
      };
    case 'enum64':
      return {
        kind,
        name,
        size: sizeOrType,
        signed: flag,
        values: list(12, (offset) => {
          const value = (BigInt(word(offset + 8)) << 32n) | BigInt(word(offset + 4));
          return { name: strings.at(word(offset)), value: flag ? BigInt.asIntN(64, value) : value };
        }),
      };
    case 'fwd':
      return { kind, name, of: flag ? 'union' : 'struct' };
    case 'typedef':
      return { kind, name, type: sizeOrType };
    case 'func':
      return { kind, name, type: sizeOrType, linkage: linkage(vlen) };
    case 'func_proto':
      return {
        kind,
        returns: sizeOrType,
        params: list(8, (offset) => ({ name: strings.at(word(offset)), type: word(offset + 4) })),
      };
    case 'var':
      return { kind, name, type: sizeOrType, linkage: linkage(word(12)) };
    case 'datasec':
      return { kind, name, size: sizeOrType, variables: list(12, (offset) => ({ type: word(offset), offset: word(offset + 4), size: word(offset + 8) })) }; // prettier-ignore
    case 'float':
      return { kind, name, size: sizeOrType };
    case 'decl_tag':
      return { kind, name, type: sizeOrType, component: word(12) | 0, attribute: flag };
    case 'type_tag':
      return { kind, name, type: sizeOrType, attribute: flag };
    case undefined: {
      const data = new Uint8Array(view.buffer, view.byteOffset + at + 12, end - at - 12).slice();
      return { kind: 'unknown', code: (info >>> 24) & 0x7f, name, vlen, flag, sizeOrType, data };
    }
  }
}

function intOf(word: number): { encoding: BtfInt['encoding'] | undefined; bitOffset: number; bits: number } {
  const number = word >>> 24;
  const encoding = (Object.keys(ENCODINGS) as BtfInt['encoding'][]).find((name) => ENCODINGS[name] === number);
  return { encoding, bitOffset: (word >> 16) & 0xff, bits: word & 0xff };
}
