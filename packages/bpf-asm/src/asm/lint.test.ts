import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { r0, r1, r2, r3, r6, r10, type Instruction } from '../isa/index.ts';
import {
  add64,
  call,
  callLocal,
  div64,
  exit,
  func,
  ja,
  jeq,
  label,
  lddw,
  ldFunction,
  ldxdw,
  ldxw,
  link,
  lint,
  lsh32,
  mov64,
  stdw,
  stw,
  type Finding,
  type Item,
} from './index.ts';

const rules = (...instructions: Instruction[]): string[] =>
  lint(instructions).map(({ rule, instruction }) => `${instruction} ${rule}`);
const of = (items: readonly Item[]): Finding[] => lint(link(items).instructions);

describe('lint', () => {
  it('finds nothing in a sound program', () => {
    const program = [
      ldxw(r2, r1, 4),
      mov64(r6, r1),
      jeq(r2, 0, 'out'),
      mov64(r1, r6),
      call(5),
      callLocal('f'),
      exit(),
      label('out'),
      mov64(r0, 0),
      exit(),
      func('f'),
      mov64(r0, r3),
      stdw(r10, -512, 0),
      exit(),
    ];
    expect(of(program)).toEqual([]);
  });

  it('names the instruction and its source', () => {
    const source = { file: 'filter.ts', line: 7, column: 3 };
    expect(lint([{ ...mov64(r10, 0), source }, mov64(r0, 0), exit()])).toEqual([
      {
        rule: 'write-to-frame-pointer',
        severity: 'error',
        instruction: 0,
        message: 'r10 is read-only: copy it to another register first',
        source,
      },
    ]);
  });

  it('finds an empty program', () => expect(rules()).toEqual(['0 empty']));
  it('finds the end without exit', () => expect(rules(mov64(r0, 0))).toEqual(['0 falls-off-the-end']));
  it('finds a conditional jump at the end', () =>
    expect(rules(mov64(r0, 0), jeq(r0, 0, -2))).toEqual(['1 falls-off-the-end']));
  it('finds a jump outside', () => expect(rules(ja(5), exit())).toEqual(['0 jump-outside', '1 unreachable']));
  it('finds a jump into a wide load', () =>
    expect(rules(mov64(r0, 0), jeq(r0, 0, 1), lddw(r0, 1), exit())).toEqual(['1 jump-into-wide']));
  it('finds unreachable code once', () =>
    expect(rules(mov64(r0, 0), exit(), mov64(r0, 1), exit())).toEqual(['2 unreachable']));
  it('finds a register that was never set', () => expect(rules(mov64(r0, r2), exit())).toEqual(['0 unset-register']));
  it('finds an exit without a result', () => expect(rules(exit())).toEqual(['0 unset-register']));
  it('finds r11', () =>
    expect(rules({ kind: 'neg', width: 64, dst: 'r11' }, mov64(r0, 0), exit())).toEqual(['0 kernel-only']));
  it('finds an unknown instruction', () =>
    expect(rules({ kind: 'raw', opcode: 0xff, dst: 0, src: 0, offset: 0, imm: 0 }, mov64(r0, 0), exit())).toEqual([
      '0 unknown-instruction',
    ]));
  it('finds what only the kernel writes', () =>
    expect(rules({ kind: 'nospec' }, mov64(r0, 0), exit())).toEqual(['0 kernel-only']));
  it('finds arguments used after a call', () => {
    expect(lint([mov64(r2, 0), call(5), mov64(r0, r2), exit()])).toMatchObject([
      {
        rule: 'clobbered-register',
        severity: 'error',
        instruction: 2,
        message: 'r2 was used up by the call at instruction 1: keep it in r6 to r9',
      },
    ]);
  });
  it('warns of a register that is set on one path only', () => {
    expect(of([jeq(r1, 0, 'join'), mov64(r2, 0), label('join'), mov64(r0, r2), exit()])).toMatchObject([
      { rule: 'unset-register', severity: 'warning', instruction: 2 },
    ]);
  });
  it('warns of what some kernels refuse', () => {
    expect(lint([mov64(r0, 1), div64(r0, 0), lsh32(r0, 32), exit()])).toMatchObject([
      { rule: 'division-by-zero', severity: 'warning', instruction: 1 },
      { rule: 'shift-out-of-range', severity: 'warning', instruction: 2 },
    ]);
  });
  it('gives callbacks their arguments', () =>
    expect(of([ldFunction(r2, 'f'), mov64(r0, 0), exit(), func('f'), add64(r1, r2), mov64(r0, r1), exit()])).toEqual(
      [],
    ));

  it('finds accesses beyond the stack, through copies of the frame pointer', () => {
    expect(rules(mov64(r0, 0), stdw(r10, -516, 0), stw(r10, -2, 0), exit())).toEqual([
      '1 stack-bounds',
      '2 stack-bounds',
    ]);
    expect(rules(mov64(r2, r10), add64(r2, -505), ldxdw(r0, r2, -8), exit())).toEqual(['2 stack-bounds']);
    expect(rules(mov64(r2, r10), add64(r2, -504), ldxdw(r0, r2, -8), exit())).toEqual([]);
  });
  it('does not guess where paths bring different addresses', () => {
    expect(of([mov64(r2, r10), jeq(r1, 0, 'a'), add64(r2, -8), label('a'), ldxdw(r0, r2, -508), exit()])).toEqual([]);
  });

  it('takes any instructions', () => {
    fc.assert(
      fc.property(fc.array(arbitraryInstruction, { maxLength: 30 }), (instructions) => {
        for (const { instruction } of lint(instructions))
          expect(instruction).toBeLessThan(Math.max(1, instructions.length));
      }),
      { numRuns: 1000 },
    );
  });
});
