import { BpfAsmError } from '../error.ts';
import type { Imm64, Target } from '../isa/index.ts';
import type { Scanner } from './scanner.ts';
import { nameText } from './spelling.ts';

/**
 * A 64-bit immediate in words that say what it is, for both dialects. Numbers, maps and functions are spelt as bpftool does
 * (`print_imm` in `tools/bpf/bpftool/xlated_dumper.c`); the kernel has resolved the other kinds before a program can be dumped.
 *
 * @param target - spells where a function pointer goes.
 */
export function imm64Text(value: Imm64<Target>, target: (target: Target) => string): string {
  switch (value.type) {
    case 'const':
      return `0x${value.value.toString(16)}`;
    case 'map':
      return `map[${mapText(value.map)}]`;
    case 'map_value':
      return `map[${mapText(value.map)}][0]+${value.offset}`;
    case 'btf_id':
      return `btf[id:${value.id >>> 0}${value.fd === 0 ? '' : `,fd:${value.fd}`}]`;
    case 'func':
      return `subprog[${target(value.target)}]`;
    case 'map_index':
      return `map[idx:${value.index >>> 0}]`;
    case 'map_index_value':
      return `map[idx:${value.index >>> 0}][0]+${value.offset}`;
    default:
      throw new BpfAsmError(
        'ERR_INVALID_INSTRUCTION',
        `there is no 64-bit immediate of type ${String((value as { type?: unknown } | undefined)?.type)}`,
        { field: 'value' },
      );
  }
}

function mapText(map: number | string): string {
  return typeof map === 'string' ? nameText(map) : `id:${map >>> 0}`;
}

/** The 64 bits as the verifier's log shows them: a number, whatever it stands for. Names that are not resolved are 0. */
export function imm64Number(value: Imm64<Target>): string {
  const [low, high] = halves(value);
  const digits = (low >>> 0).toString(16);
  return high === 0 ? `0x${digits}` : `0x${(high >>> 0).toString(16)}${digits.padStart(8, '0')}`;
}

function halves(value: Imm64<Target>): readonly [low: number, high: number] {
  switch (value.type) {
    case 'const':
      return [Number(value.value & 0xffff_ffffn), Number(value.value >> 32n)];
    case 'map':
      return [resolved(value.map), 0];
    case 'map_value':
      return [resolved(value.map), value.offset];
    case 'btf_id':
      return [value.id, value.fd];
    case 'func':
      return [resolved(value.target), 0];
    case 'map_index':
      return [value.index, 0];
    case 'map_index_value':
      return [value.index, value.offset];
  }
}

function resolved(value: number | string): number {
  return typeof value === 'number' ? value : 0;
}

/**
 * Reads what {@link imm64Text} writes in words, after its first word.
 *
 * @param word - the word that was read: `map`, `btf` or `subprog`.
 * @param target - reads where a function pointer goes.
 * @returns undefined where the word begins none.
 */
export function parseImm64(scanner: Scanner, word: string, target: () => Target): Imm64<Target> | undefined {
  if (word !== 'map' && word !== 'btf' && word !== 'subprog') return undefined;
  scanner.expect('[');
  if (word === 'subprog') {
    const to = target();
    scanner.expect(']');
    return { type: 'func', target: to };
  }
  if (word === 'btf') {
    scanner.expect('id');
    scanner.expect(':');
    const id = scanner.u32() | 0;
    let fd = 0;
    if (scanner.accept(',')) {
      scanner.expect('fd');
      scanner.expect(':');
      fd = scanner.integer(-0x8000_0000, 0x7fff_ffff);
    }
    scanner.expect(']');
    return { type: 'btf_id', id, fd };
  }
  return parseMap(scanner);
}

function parseMap(scanner: Scanner): Imm64<Target> {
  const name = scanner.name('"id:" and a number, "idx:" and a number, or the name of a map');
  const numbered = (name === 'id' || name === 'idx') && scanner.accept(':');
  const number = numbered ? scanner.u32() | 0 : 0;
  scanner.expect(']');
  let offset: number | undefined;
  if (scanner.accept('[')) {
    scanner.expect('0');
    scanner.expect(']');
    scanner.expect('+');
    offset = scanner.u32();
  }
  if (numbered && name === 'idx')
    return offset === undefined
      ? { type: 'map_index', index: number }
      : { type: 'map_index_value', index: number, offset };
  const map = numbered ? number : name;
  return offset === undefined ? { type: 'map', map } : { type: 'map_value', map, offset };
}
