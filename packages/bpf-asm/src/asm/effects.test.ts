import fc from 'fast-check';
import { expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { r0, r1, r2, r6, type Instruction } from '../isa/index.ts';
import {
  add64,
  atomicAdd64,
  atomicCmpxchg64,
  atomicFetchAdd64,
  call,
  CALLER_SAVED,
  exit,
  fallsThrough,
  functionTarget,
  isCall,
  ja,
  jeq,
  jumpTarget,
  ldAbs,
  lddw,
  ldFunction,
  ldxw,
  mov64,
  neg64,
  registersClobbered,
  registersRead,
  registersWritten,
  registerSet,
  stw,
  withTarget,
} from './index.ts';

it.each<[string, Instruction, number, number]>([
  ['a move reads its source only', mov64(r1, r2), registerSet(r2), registerSet(r1)],
  ['arithmetic reads both', add64(r1, r2), registerSet(r1, r2), registerSet(r1)],
  ['an immediate is no register', add64(r1, 2), registerSet(r1), registerSet(r1)],
  ['negation', neg64(r1), registerSet(r1), registerSet(r1)],
  ['a load', ldxw(r1, r2), registerSet(r2), registerSet(r1)],
  ['a store writes memory only', stw(r1, 0, r2), registerSet(r1, r2), 0],
  ['an atomic addition', atomicAdd64(r1, 0, r2), registerSet(r1, r2), 0],
  ['a fetching one brings the old value', atomicFetchAdd64(r1, 0, r2), registerSet(r1, r2), registerSet(r2)],
  ['compare and exchange goes by r0', atomicCmpxchg64(r1, 0, r2), registerSet(r0, r1, r2), registerSet(r0)],
  ['a conditional jump', jeq(r1, r2, 0), registerSet(r1, r2), 0],
  ['a call brings r0', call(1), 0, registerSet(r0)],
  ['a legacy packet load goes by r6', ldAbs('u8', 0), registerSet(r6), registerSet(r0)],
  ['exit returns r0', exit(), registerSet(r0), 0],
  ['a constant', lddw(r1, 1), 0, registerSet(r1)],
])('%s', (_, instruction, read, written) => {
  expect(registersRead(instruction)).toBe(read);
  expect(registersWritten(instruction)).toBe(written);
});

it('calls use up the arguments', () => {
  expect(isCall(call(1))).toBe(true);
  expect(registersClobbered(call(1))).toBe(CALLER_SAVED);
  expect(registersClobbered(ldAbs('u8', 0))).toBe(CALLER_SAVED);
  expect(registersClobbered(mov64(r0, 0))).toBe(0);
});

it('says where control goes', () => {
  expect([ja(1), exit(), jeq(r1, 0, 1), call(1)].map(fallsThrough)).toEqual([false, false, true, true]);
  expect([ja(1), exit(), jeq(r1, 0, 2), ldFunction(r1, 3)].map((i) => jumpTarget<number>(i))).toEqual([
    1,
    undefined,
    2,
    undefined,
  ]);
  expect(functionTarget(ldFunction(r1, 3))).toBe(3);
});

it('sets targets and leaves the rest of every instruction as it is', () => {
  fc.assert(
    fc.property(arbitraryInstruction, (instruction) => {
      const target = jumpTarget(instruction) ?? functionTarget(instruction);
      const changed = withTarget(instruction, 5);
      expect(jumpTarget(changed) ?? functionTarget(changed)).toBe(target === undefined ? undefined : 5);
      expect(withTarget(changed, target ?? 0)).toEqual(instruction);
      for (const set of [registersRead(instruction), registersWritten(instruction)]) expect(set & ~0xfff).toBe(0);
    }),
  );
});

it('refuses a register that is none', () => {
  expect(() => registersRead({ kind: 'neg', width: 64, dst: 'r99' } as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION', message: '"r99" is not a register (r0 to r11)' }),
  );
});
