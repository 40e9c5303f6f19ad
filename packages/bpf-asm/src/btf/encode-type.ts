import { BpfAsmError } from '../error.ts';
import { ENCODINGS, LINKAGES } from './kinds.ts';
import { BTF_KIND, type BtfMember, type BtfType } from './types.ts';

/** Most members, values or parameters of a type that every kernel takes. */
const MAX_VLEN = 0xffff;
/** Largest bit offset and width in a struct that has bit fields. */
const MAX_FLAGGED_OFFSET = 0xff_ffff;
const MAX_U32 = 0xffff_ffff;

/**
 * A type as 32-bit words. All is checked before a string is added, so that a type that is refused leaves nothing behind but names.
 *
 * @param string - gives the byte offset of a string.
 * @throws BpfAsmError `ERR_BTF` naming the field that is out of range.
 */
export function encodeType(type: BtfType, string: (text: string) => number): number[] {
  const fits = (field: string, value: number, max = MAX_U32, min = 0): number => {
    if (Number.isInteger(value) && value >= min && value <= max) return value >>> 0;
    throw refuse(`${field} of ${type.kind} is ${String(value)}, and must be an integer from ${min} to ${max}`, field);
  };
  const head = (name: string, vlen: number, flag: boolean, sizeOrType: number): number[] => {
    const kind = BTF_KIND[type.kind as keyof typeof BTF_KIND];
    return [
      string(name),
      ((flag ? 0x8000_0000 : 0) | (kind << 24) | fits('number of elements', vlen, MAX_VLEN)) >>> 0,
      fits('size or type', sizeOrType),
    ];
  };
  switch (type.kind) {
    case 'int': {
      const encoding = oneOf('encoding', ENCODINGS[type.encoding]);
      const place = (encoding << 24) | (fits('bitOffset', type.bitOffset, 0xff) << 16) | fits('bits', type.bits, 0xff);
      return [...head(type.name, 0, false, type.size), place];
    }
    case 'ptr':
    case 'volatile':
    case 'const':
    case 'restrict':
      return head('', 0, false, type.type);
    case 'array':
      return [
        ...head('', 0, false, 0),
        fits('element', type.element),
        fits('index', type.index),
        fits('length', type.length),
      ];
    case 'struct':
    case 'union': {
      const flag = type.members.some(({ bitSize }) => bitSize !== 0);
      const place = ({ bitOffset, bitSize }: BtfMember): number =>
        flag
          ? ((fits('bitSize', bitSize, 0xff) << 24) | fits('bitOffset', bitOffset, MAX_FLAGGED_OFFSET)) >>> 0
          : fits('bitOffset', bitOffset);
      return [
        ...head(type.name, type.members.length, flag, type.size),
        ...type.members.flatMap((member) => [string(member.name), fits('type', member.type), place(member)]),
      ];
    }
    case 'enum': {
      const [min, max] = type.signed ? [-0x8000_0000, 0x7fff_ffff] : [0, MAX_U32];
      return [
        ...head(type.name, type.values.length, type.signed, type.size),
        ...type.values.flatMap(({ name, value }) => [string(name), fits(`value ${name}`, value, max, min)]),
      ];
    }
    case 'enum64':
      return [
        ...head(type.name, type.values.length, type.signed, type.size),
        ...type.values.flatMap(({ name, value }) => [string(name), ...halves(name, value, type.signed)]),
      ];
    case 'fwd':
      return head(type.name, 0, type.of === 'union', 0);
    case 'typedef':
      return head(type.name, 0, false, type.type);
    case 'func':
      return head(type.name, linkage(type.linkage), false, type.type);
    case 'func_proto':
      return [
        ...head('', type.params.length, false, type.returns),
        ...type.params.flatMap((param) => [string(param.name), fits('type', param.type)]),
      ];
    case 'var':
      return [...head(type.name, 0, false, type.type), linkage(type.linkage)];
    case 'datasec':
      return [
        ...head(type.name, type.variables.length, false, type.size),
        ...type.variables.flatMap((v) => [fits('type', v.type), fits('offset', v.offset), fits('size', v.size)]),
      ];
    case 'float':
      return head(type.name, 0, false, type.size);
    case 'decl_tag':
      return [...head(type.name, 0, type.attribute, type.type), fits('component', type.component, 0x7fff_ffff, -1)];
    case 'type_tag':
      return head(type.name, 0, type.attribute, type.type);
    case 'unknown':
      throw refuse(`a type of kind ${type.code} cannot be written: it is not known what its fields are`, 'kind');
  }
}

function halves(name: string, value: bigint, signed: boolean): [number, number] {
  const [min, max] = signed ? [-(1n << 63n), (1n << 63n) - 1n] : [0n, (1n << 64n) - 1n];
  if (typeof value !== 'bigint' || value < min || value > max) {
    throw refuse(`value ${name} of enum64 is ${String(value)}, and must be a bigint from ${min}n to ${max}n`, 'value');
  }
  return [Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n))];
}

function linkage(name: string): number {
  const index = LINKAGES.findIndex((known) => known === name);
  return oneOf('linkage', index < 0 ? undefined : index);
}

function oneOf(field: string, value: number | undefined): number {
  if (value === undefined) throw refuse(`${field} is not one of those that BTF has`, field);
  return value;
}

function refuse(message: string, field: string): BpfAsmError {
  return new BpfAsmError('ERR_BTF', message, { field });
}
