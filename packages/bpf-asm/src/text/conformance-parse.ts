import { helperByName } from '../helpers/index.ts';
import {
  ALU_CODE,
  JUMP_CODE,
  REGISTERS,
  type AluOp,
  type AtomicOp,
  type Instruction,
  type JumpOp,
  type LoadType,
  type Register,
  type StoreType,
  type Target,
  type Width,
} from '../isa/index.ts';
import { parseImm64 } from './imm64.ts';
import { parseRaw } from './raw-parse.ts';
import type { Scanner } from './scanner.ts';
import { ATOMIC_TEXT, meanings, SIZE_TEXT } from './spelling.ts';

const REGISTER: ReadonlyMap<string, Register> = new Map(REGISTERS.map((name) => [name, name]));
const ATOMIC = meanings<AtomicOp>(ATOMIC_TEXT);

/** Reads the operands of one mnemonic. */
type Reader = (scanner: Scanner) => Instruction<Target>;

const READERS: ReadonlyMap<string, Reader> = new Map(readers());

function* readers(): Iterable<[string, Reader]> {
  for (const [suffix, width] of [
    ['', 64],
    ['32', 32],
  ] as const) {
    for (const op of Object.keys(ALU_CODE) as AluOp[]) yield [`${op}${suffix}`, (s) => alu(s, op, width)];
    for (const op of Object.keys(JUMP_CODE) as JumpOp[]) yield [`${op}${suffix}`, (s) => jump(s, op, width)];
    yield [`neg${suffix}`, (s) => ({ kind: 'neg', width, dst: register(s) })];
  }
  for (const bits of [16, 32, 64] as const) {
    for (const op of ['le', 'be', 'bswap'] as const)
      yield [`${op}${bits}`, (s) => ({ kind: 'end', op, bits, dst: register(s) })];
    yield [`swap${bits}`, (s) => ({ kind: 'end', op: 'bswap', bits, dst: register(s) })];
  }
  for (const [bits, width] of [
    [8, 32],
    [16, 32],
    [8, 64],
    [16, 64],
    [32, 64],
  ] as const) {
    yield [`movsx${bits}${width}`, (s) => ({ kind: 'movsx', width, bits, ...two(s) })];
  }
  for (const type of Object.keys(SIZE_TEXT) as LoadType[]) yield [`ldx${SIZE_TEXT[type]}`, (s) => load(s, type)];
  for (const type of ['u8', 'u16', 'u32', 'u64'] as const) {
    const size = SIZE_TEXT[type];
    yield [`st${size}`, (s) => ({ kind: 'store', type, ...memory(s), src: immediate(s) })];
    yield [`stx${size}`, (s) => ({ kind: 'store', type, ...memory(s), src: nextRegister(s) })];
    yield [`ldacq${size}`, (s) => loadAcquire(s, type)];
    yield [`strel${size}`, (s) => ({ kind: 'store_release', type, ...memory(s), src: nextRegister(s) })];
    if (type === 'u64') continue;
    yield [`ldabs${size}`, (s) => ({ kind: 'ld_abs', type, offset: s.s32() })];
    yield [`ldind${size}`, (s) => ({ kind: 'ld_ind', type, src: register(s), offset: immediate(s) })];
  }
  yield ['lddw', lddw];
  yield ['lock', lock];
  yield ['call', call];
  yield ['ja', (s) => ({ kind: 'ja', target: target(s, 0x7fff) })];
  yield ['ja32', (s) => ({ kind: 'gotol', target: target(s, 0x7fff_ffff) })];
  yield ['may_goto', (s) => ({ kind: 'may_goto', target: target(s, 0x7fff) })];
  yield ['goto_or_nop', (s) => ({ kind: 'goto_or_nop', target: target(s, 0x7fff) })];
  yield ['gotox', (s) => ({ kind: 'gotox', dst: register(s) })];
  yield ['mov_percpu', (s) => ({ kind: 'mov_percpu', ...two(s) })];
  yield ['addr_space_cast', (s) => ({ kind: 'addr_space_cast', ...two(s), dstSpace: space(s), srcSpace: space(s) })];
  yield ['exit', () => ({ kind: 'exit' })];
  yield ['nospec', () => ({ kind: 'nospec' })];
  yield ['raw', parseRaw];
}

/**
 * Reads one instruction in the conformance dialect, as `conformanceText` writes it.
 *
 * @param first - its mnemonic, which has been read.
 * @returns undefined where there is no such mnemonic.
 */
export function parseConformance(scanner: Scanner, first: string): Instruction<Target> | undefined {
  return READERS.get(first)?.(scanner);
}

function alu(scanner: Scanner, op: AluOp, width: Width): Instruction {
  const dst = register(scanner);
  return { kind: 'alu', op, width, dst, src: operand(scanner) };
}

function jump(scanner: Scanner, op: JumpOp, width: Width): Instruction<Target> {
  const dst = register(scanner);
  const src = operand(scanner);
  comma(scanner);
  return { kind: 'jump', op, width, dst, src, target: target(scanner, 0x7fff) };
}

function load(scanner: Scanner, type: LoadType): Instruction {
  const dst = register(scanner);
  comma(scanner);
  const from = memory(scanner);
  return { kind: 'load', type, dst, src: from.dst, offset: from.offset };
}

function loadAcquire(scanner: Scanner, type: StoreType): Instruction {
  const dst = register(scanner);
  comma(scanner);
  const from = memory(scanner);
  return { kind: 'load_acquire', type, dst, src: from.dst, offset: from.offset };
}

function lddw(scanner: Scanner): Instruction<Target> {
  const dst = register(scanner);
  comma(scanner);
  if (scanner.startsNumber()) return { kind: 'ld_imm64', dst, value: { type: 'const', value: scanner.u64() } };
  const at = scanner.at;
  const value = parseImm64(scanner, scanner.word(), () => target(scanner, 0x7fff_ffff));
  return value === undefined
    ? scanner.fail('a number, map[…], btf[…] or subprog[…]', at)
    : { kind: 'ld_imm64', dst, value };
}

/** `lock add [%r1+8], %r2`, `lock fetch add32 …`, `lock xchg …`. */
function lock(scanner: Scanner): Instruction {
  scanner.spaces();
  const at = scanner.at;
  let word = scanner.word();
  if (word === 'fetch') word += ` ${scanner.word()}`;
  const width = word.endsWith('32') ? 32 : 64;
  const op = ATOMIC.get(width === 32 ? word.slice(0, -2) : word);
  if (op === undefined)
    return scanner.fail(
      'an atomic operation: "fetch" or not, then one of add or and xor; or xchg or cmpxchg; with 32 for 32 bits',
      at,
    );
  return { kind: 'atomic', op, width, ...memory(scanner), src: nextRegister(scanner) };
}

/**
 * A call of a helper, unless it says otherwise: `call 5`, `call bpf_ktime_get_ns`, `call helper 5`, `call local F`,
 * `call runtime 5`, `call %r1`.
 */
function call(scanner: Scanner): Instruction<Target> {
  scanner.spaces();
  const { at } = scanner;
  switch (scanner.word()) {
    case 'local':
      return { kind: 'call_local', target: target(scanner, 0x7fff_ffff) };
    case 'runtime':
      return callRuntime(scanner);
    case 'helper':
      break;
    default:
      scanner.at = at;
  }
  if (scanner.startsNumber()) return { kind: 'call', helper: scanner.s32() };
  const start = scanner.at;
  const helper = helperByName(scanner.word());
  if (helper !== undefined) return { kind: 'call', helper: helper.id };
  scanner.at = start;
  return { kind: 'callx', dst: register(scanner, 'a helper, a register, or "helper", "local" or "runtime"') };
}

function callRuntime(scanner: Scanner): Instruction {
  let offset = 0;
  if (scanner.accept('[')) {
    offset = scanner.integer(-0x8000, 0x7fff);
    scanner.expect(']');
  }
  return { kind: 'call_kfunc', id: scanner.s32(), offset };
}

function two(scanner: Scanner): { readonly dst: Register; readonly src: Register } {
  const dst = register(scanner);
  return { dst, src: nextRegister(scanner) };
}

/** After a comma, a register or a number. */
function operand(scanner: Scanner): Register | number {
  comma(scanner);
  return scanner.startsNumber() ? scanner.s32() : register(scanner, 'a number or a register, %r0 to %r11');
}

function immediate(scanner: Scanner): number {
  comma(scanner);
  return scanner.s32();
}

function space(scanner: Scanner): number {
  comma(scanner);
  return scanner.integer(0, 0xffff);
}

function nextRegister(scanner: Scanner): Register {
  comma(scanner);
  return register(scanner);
}

/** `%r1`; the sign may be left out, as some cases of the suite do. */
function register(scanner: Scanner, expected = 'a register, %r0 to %r11'): Register {
  scanner.spaces();
  const { at } = scanner;
  scanner.accept('%');
  return REGISTER.get(scanner.word()) ?? scanner.fail(expected, at);
}

/** `[%r1+8]`. */
function memory(scanner: Scanner): { readonly dst: Register; readonly offset: number } {
  scanner.expect('[');
  const dst = register(scanner);
  const offset = scanner.offset();
  scanner.expect(']');
  return { dst, offset };
}

/** `+3`, `-3` or a label. */
function target(scanner: Scanner, max: number): Target {
  const sign = scanner.peek();
  return sign === 43 || sign === 45
    ? scanner.integer(-max - 1, max, 'a number of slots')
    : scanner.name('a label, or a sign and a number of slots');
}

function comma(scanner: Scanner): void {
  scanner.expect(',');
}
