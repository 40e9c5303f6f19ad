import type { AluOp, AtomicOp, Instruction, JumpOp, LoadType, Register, Target } from '../isa/index.ts';
import { parseImm64 } from './imm64.ts';
import { parseCall } from './kernel-call.ts';
import {
  atomicType,
  FULL,
  HALF,
  operand,
  pc,
  pointerType,
  register,
  sameRegister,
  STORE_TYPE,
  subprogram,
  wide,
} from './kernel-operands.ts';
import { parseRaw } from './raw-parse.ts';
import type { Scanner } from './scanner.ts';
import { ALU_TEXT, JUMP_TEXT, LOCK_TEXT, meanings } from './spelling.ts';

const ALU = meanings<AluOp>(ALU_TEXT);
const JUMP = meanings<JumpOp>(JUMP_TEXT);
const LOCK = meanings(LOCK_TEXT);

const LOAD_TYPE: ReadonlyMap<string, LoadType> = new Map<string, LoadType>([...STORE_TYPE, ['s8', 's8'], ['s16', 's16'], ['s32', 's32']]); // prettier-ignore
const MOVSX_BITS: ReadonlyMap<string, 8 | 16 | 32> = new Map([['s8', 8], ['s16', 16], ['s32', 32]]); // prettier-ignore

/** What a word after `rN = ` begins, besides 64-bit immediates. */
type Function =
  | { readonly kind: 'end'; readonly op: 'le' | 'be' | 'bswap'; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'atomic'; readonly op: AtomicOp; readonly width: 32 | 64 }
  | { readonly kind: 'load_acquire' | 'addr_space_cast' };

const FUNCTIONS: ReadonlyMap<string, Function> = new Map<string, Function>([
  ...(['le', 'be', 'bswap'] as const).flatMap((op) =>
    ([16, 32, 64] as const).map((bits) => [`${op}${bits}`, { kind: 'end', op, bits }] as const),
  ),
  ...(['fetch_add', 'fetch_or', 'fetch_and', 'fetch_xor', 'xchg', 'cmpxchg'] as const).flatMap((op) => [
    [`atomic_${op}`, { kind: 'atomic', op, width: 32 }] as const,
    [`atomic64_${op}`, { kind: 'atomic', op, width: 64 }] as const,
  ]),
  ['load_acquire', { kind: 'load_acquire' }],
  ['addr_space_cast', { kind: 'addr_space_cast' }],
]);

const MINUS = 45;
const STAR = 42;
const LEFT = 40;
const AMPERSAND = 38;

/**
 * Reads one instruction in the kernel's dialect, as `kernelText` writes it without the opcode.
 *
 * @param first - its first word, which has been read; empty where it begins with a sign.
 * @returns undefined where the word begins no instruction.
 */
export function parseKernel(scanner: Scanner, first: string): Instruction<Target> | undefined {
  const full = FULL.get(first);
  if (full !== undefined) return assignment(scanner, full, 64);
  const half = HALF.get(first);
  if (half !== undefined) return assignment(scanner, half, 32);
  switch (first) {
    case '':
      return scanner.peek() === STAR ? store(scanner) : undefined;
    case 'if':
      return jump(scanner);
    case 'goto':
      return { kind: 'ja', target: pc(scanner, 's16') };
    case 'may_goto':
    case 'goto_or_nop':
      return { kind: first, target: pc(scanner, 's16') };
    case 'gotol':
      return { kind: 'gotol', target: pc(scanner, 's32') };
    case 'gotox':
    case 'callx':
      return { kind: first, dst: register(scanner, FULL) };
    case 'call':
      return parseCall(scanner);
    case 'exit':
    case 'nospec':
      return { kind: first };
    case 'lock':
      return lock(scanner);
    case 'store_release':
      return storeRelease(scanner);
    case 'raw':
      return parseRaw(scanner);
    default:
      return undefined;
  }
}

function assignment(scanner: Scanner, dst: Register, width: 32 | 64): Instruction<Target> {
  const op = ALU.get(operator(scanner));
  if (op === undefined)
    return scanner.fail('an assignment: one of = += -= *= /= %= |= &= ^= <<= >>= s>>= s/= s%=', scanner.at);
  scanner.at += ALU_TEXT[op].length;
  if (op === 'mov') return move(scanner, dst, width);
  const src = scanner.startsNumber() ? scanner.s32() : register(scanner, width === 64 ? FULL : HALF);
  return { kind: 'alu', op, width, dst, src };
}

/** The characters up to and with the next `=`, not passed over. */
function operator(scanner: Scanner): string {
  scanner.spaces();
  const { text, at } = scanner;
  let end = at;
  while (end - at < 4 && text.charCodeAt(end) !== 61) end++;
  return text.slice(at, end + 1);
}

function move(scanner: Scanner, dst: Register, width: 32 | 64): Instruction<Target> {
  const names = width === 64 ? FULL : HALF;
  switch (scanner.peek()) {
    case STAR:
      return load(scanner, wide(scanner, dst, width));
    case LEFT: {
      scanner.expect('(');
      const at = scanner.at;
      const bits = MOVSX_BITS.get(scanner.word());
      if (bits === undefined || bits === width) return scanner.fail(width === 64 ? 's8, s16 or s32' : 's8 or s16', at);
      scanner.expect(')');
      return { kind: 'movsx', width, bits, dst, src: register(scanner, names) };
    }
    case AMPERSAND: {
      for (const token of ['&', '(', 'void', '__percpu', '*', ')', '(']) scanner.expect(token);
      const src = register(scanner, FULL);
      scanner.expect(')');
      return { kind: 'mov_percpu', dst: wide(scanner, dst, width), src };
    }
    default:
      break;
  }
  if (scanner.startsNumber()) return moveNumber(scanner, dst, width);
  if (scanner.peek() === MINUS) {
    scanner.expect('-');
    sameRegister(scanner, names, dst);
    return { kind: 'neg', width, dst };
  }
  const at = scanner.at;
  const word = scanner.word();
  const src = names.get(word);
  if (src !== undefined) return { kind: 'alu', op: 'mov', width, dst, src };
  wide(scanner, dst, width, at);
  const called = FUNCTIONS.get(word);
  if (called !== undefined) return assignFunction(scanner, dst, called);
  const value = parseImm64(scanner, word, () => subprogram(scanner));
  return value === undefined
    ? scanner.fail('a register, a number, a load or a function', at)
    : { kind: 'ld_imm64', dst, value };
}

/** As the kernel writes them, `r0 = 5` is a move and `r0 = 0x5` a 64-bit immediate; `ll` makes the latter of any number. */
function moveNumber(scanner: Scanner, dst: Register, width: 32 | 64): Instruction<Target> {
  if (width === 32) return { kind: 'alu', op: 'mov', width, dst, src: scanner.s32() };
  const start = scanner.at;
  const number = scanner.integer(-Infinity, Infinity);
  const end = scanner.at;
  if (scanner.accept('ll') || scanner.text.startsWith('0x', start)) {
    // Again, exactly: a double has 53 bits.
    const after = scanner.at;
    scanner.at = start;
    const value = scanner.u64();
    scanner.at = after;
    return { kind: 'ld_imm64', dst, value: { type: 'const', value } };
  }
  if ((number | 0) === number) return { kind: 'alu', op: 'mov', width, dst, src: number };
  const hint = 'write "ll" after it for a 64-bit immediate';
  throw scanner.error(
    'ERR_OUT_OF_RANGE',
    `${scanner.text.slice(start, end)} is not an integer from -2^31 to 2^31 - 1`,
    start,
    hint,
  );
}

function assignFunction(scanner: Scanner, dst: Register, called: Function): Instruction {
  switch (called.kind) {
    case 'end':
      sameRegister(scanner, FULL, dst);
      return { kind: 'end', op: called.op, bits: called.bits, dst };
    case 'addr_space_cast': {
      scanner.expect('(');
      const src = register(scanner, FULL);
      scanner.expect(',');
      const dstSpace = scanner.integer(0, 0xffff);
      scanner.expect(',');
      const srcSpace = scanner.integer(0, 0xffff);
      scanner.expect(')');
      return { kind: 'addr_space_cast', dst, src, dstSpace, srcSpace };
    }
    case 'load_acquire': {
      scanner.expect('(');
      const type = pointerType(scanner, STORE_TYPE);
      const memory = operand(scanner);
      scanner.expect(')');
      return { kind: 'load_acquire', type, dst, src: memory.base, offset: memory.offset };
    }
    case 'atomic': {
      scanner.expect('(');
      atomicType(scanner, called.width);
      const memory = operand(scanner);
      scanner.expect(',');
      if (called.op === 'cmpxchg') {
        if (dst !== 'r0') scanner.fail('r0, in which cmpxchg returns the old value, before "="');
        sameRegister(scanner, FULL, 'r0');
        scanner.expect(',');
      }
      const at = scanner.at;
      const src = register(scanner, FULL);
      if (called.op !== 'cmpxchg' && src !== dst) scanner.fail(`${dst}, which receives the old value`, at);
      scanner.expect(')');
      return { kind: 'atomic', op: called.op, width: called.width, dst: memory.base, offset: memory.offset, src };
    }
  }
}

function load(scanner: Scanner, dst: Register): Instruction {
  scanner.expect('*');
  const at = scanner.at;
  const type = pointerType(scanner, LOAD_TYPE);
  if (!scanner.accept('skb')) {
    const { base, offset } = operand(scanner);
    return { kind: 'load', type, dst, src: base, offset };
  }
  if (type !== 'u8' && type !== 'u16' && type !== 'u32') return scanner.fail('u8, u16 or u32 for a packet load', at);
  if (dst !== 'r0') return scanner.fail('r0 as the destination of a packet load', at);
  scanner.expect('[');
  if (scanner.startsNumber()) {
    const offset = scanner.s32();
    scanner.expect(']');
    return { kind: 'ld_abs', type, offset };
  }
  const src = register(scanner, FULL);
  scanner.expect('+');
  const offset = scanner.s32();
  scanner.expect(']');
  return { kind: 'ld_ind', type, src, offset };
}

function store(scanner: Scanner): Instruction {
  scanner.expect('*');
  const type = pointerType(scanner, STORE_TYPE);
  const { base: dst, offset } = operand(scanner);
  scanner.expect('=');
  return {
    kind: 'store',
    type,
    dst,
    offset,
    src: scanner.startsNumber() ? scanner.s32() : register(scanner, FULL),
  };
}

function lock(scanner: Scanner): Instruction {
  scanner.expect('*');
  const at = scanner.at;
  const type = pointerType(scanner, STORE_TYPE);
  if (type !== 'u32' && type !== 'u64') return scanner.fail('u32 or u64', at);
  const { base: dst, offset } = operand(scanner);
  const op = LOCK.get(operator(scanner));
  if (op === undefined) return scanner.fail('one of += |= &= ^=', scanner.at);
  scanner.at += LOCK_TEXT[op].length;
  return { kind: 'atomic', op, width: type === 'u64' ? 64 : 32, dst, offset, src: register(scanner, FULL) };
}

function storeRelease(scanner: Scanner): Instruction {
  scanner.expect('(');
  const type = pointerType(scanner, STORE_TYPE);
  const { base: dst, offset } = operand(scanner);
  scanner.expect(',');
  const src = register(scanner, FULL);
  scanner.expect(')');
  return { kind: 'store_release', type, dst, offset, src };
}

function jump(scanner: Scanner): Instruction<Target> {
  const at = scanner.at;
  const word = scanner.word();
  const full = FULL.get(word);
  const dst = full ?? HALF.get(word) ?? scanner.fail('a register', at);
  const width = full === undefined ? 32 : 64;
  scanner.spaces();
  const start = scanner.at;
  let end = start;
  while (end - start < 3 && '=!<>&s'.includes(scanner.text.charAt(end) || ' ')) end++;
  const op =
    JUMP.get(scanner.text.slice(start, end)) ??
    scanner.fail('a comparison: one of == != > >= < <= & s> s>= s< s<=', start);
  scanner.at = end;
  const src = scanner.startsNumber() ? scanner.s32() : register(scanner, width === 64 ? FULL : HALF);
  scanner.expect('goto');
  return { kind: 'jump', op, width, dst, src, target: pc(scanner, 's16') };
}
