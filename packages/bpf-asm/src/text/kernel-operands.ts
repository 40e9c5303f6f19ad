import type { Register, StoreType, Target } from '../isa/index.ts';
import type { Scanner } from './scanner.ts';
import { HALF_TEXT, meanings, REGISTER_TEXT } from './spelling.ts';

/** Registers by their 64-bit names. */
export const FULL: ReadonlyMap<string, Register> = meanings<Register>(REGISTER_TEXT);

/** Registers by the names of their low halves. */
export const HALF: ReadonlyMap<string, Register> = meanings<Register>(HALF_TEXT);

/** Types of what is stored, by their names. */
export const STORE_TYPE: ReadonlyMap<string, StoreType> = new Map([['u8', 'u8'], ['u16', 'u16'], ['u32', 'u32'], ['u64', 'u64']]); // prettier-ignore

/** Ranges of signed fields. */
export const SMALLEST = { s16: -0x8000, s32: -0x8000_0000 } as const;
/** Ranges of signed fields. */
export const LARGEST = { s16: 0x7fff, s32: 0x7fff_ffff } as const;

/** `pc+3`, `pc-3` or a label. */
export function pc(scanner: Scanner, range: 's16' | 's32'): Target {
  const name = scanner.name('"pc" with a sign and a number of slots, or a label');
  if (name !== 'pc' || !scanner.startsNumber()) return name;
  return scanner.integer(SMALLEST[range], LARGEST[range], 'a number of slots');
}

/** The inside of `subprog[…]`. */
export function subprogram(scanner: Scanner): Target {
  return scanner.startsNumber()
    ? scanner.integer(SMALLEST.s32, LARGEST.s32)
    : scanner.name('a number of slots or a label');
}

/** `(u32 *)`. */
export function pointerType<T>(scanner: Scanner, types: ReadonlyMap<string, T>): T {
  scanner.expect('(');
  scanner.spaces();
  const at = scanner.at;
  const type = types.get(scanner.word()) ?? scanner.fail(`a type: one of ${[...types.keys()].join(' ')}`, at);
  scanner.expect('*');
  scanner.expect(')');
  return type;
}

/** `(u32 *)` or `(u64 *)`, as the width of the operation says. */
export function atomicType(scanner: Scanner, width: 32 | 64): void {
  scanner.spaces();
  const at = scanner.at;
  if (pointerType(scanner, STORE_TYPE) !== `u${width}`) scanner.fail(`(u${width} *)`, at);
}

/** `(r1 +8)`. */
export function operand(scanner: Scanner): { readonly base: Register; readonly offset: number } {
  scanner.expect('(');
  const base = register(scanner, FULL);
  const offset = scanner.offset();
  scanner.expect(')');
  return { base, offset };
}

/** A register of one of the two widths. */
export function register(scanner: Scanner, names: ReadonlyMap<string, Register>): Register {
  scanner.spaces();
  const at = scanner.at;
  return (
    names.get(scanner.word()) ??
    scanner.fail(names === FULL ? 'a register, r0 to r11' : 'half a register, w0 to w11', at)
  );
}

/** The same register once more, as `r1 = -r1` has it. */
export function sameRegister(scanner: Scanner, names: ReadonlyMap<string, Register>, dst: Register): void {
  scanner.spaces();
  const at = scanner.at;
  if (register(scanner, names) !== dst) scanner.fail(names === FULL ? dst : HALF_TEXT[dst], at);
}

/** Only arithmetic has a form on half registers. */
export function wide(scanner: Scanner, dst: Register, width: 32 | 64, at?: number): Register {
  return width === 64 ? dst : scanner.fail('a half register, a number or a sign extension', at);
}
