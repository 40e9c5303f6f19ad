import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import type { FunctionBuilder, IrValue } from '../index.ts';
import type { JumpOp } from '../../isa/index.ts';
import { decideImplied } from './implied-branches.ts';

function leaveIf(b: FunctionBuilder, compare: JumpOp, left: IrValue, right: IrValue, verdict: number): void {
  const [leave, stay] = [b.block(), b.block()];
  b.branch(compare, left, right, leave, stay);
  b.enter(leave);
  b.return(b.constant(verdict));
  b.enter(stay);
}

it('passes a check of bytes that another one has covered, however it fails', () => {
  const text = change((b) => {
    const [data, end] = [b.param(0), b.param(1)];
    leaveIf(b, 'jgt', b.alu('add', data, b.constant(34)), end, 0);
    leaveIf(b, 'jgt', b.alu('add', data, b.constant(14)), end, 1);
    leaveIf(b, 'jgt', b.alu('add', data, b.constant(54)), end, 2);
    b.return(b.constant(3));
  }, decideImplied);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      v0 = add64 p0, 34
      branch jgt64 v0, p1 ? b1 : b2
    b1:
      return 0
    b2:
      v1 = add64 p0, 14
      branch jgt64 v1, p1 ? b3 : b4
    b3:
      return 1
    b4:
      v2 = add64 p0, 54
      branch jgt64 v2, p1 ? b5 : b6
    b5:
      return 2
    b6:
      return 3
    -->
    f(p0, p1)
    b0:
      v0 = add64 p0, 34
      branch jgt64 v0, p1 ? b1 : b2
    b1:
      return 0
    b2:
      v1 = add64 p0, 14
      branch jeq64 0, 1 ? b3 : b4
    b3:
      return 1
    b4:
      v2 = add64 p0, 54
      branch jgt64 v2, p1 ? b5 : b6
    b5:
      return 2
    b6:
      return 3"
  `);
});

it.each<[JumpOp, number, JumpOp, number, string]>([
  ['jne', 6, 'jeq', 6, 'jeq64 1, 1'],
  ['jne', 6, 'jeq', 17, 'jeq64 0, 1'],
  ['jne', 6, 'jgt', 5, 'jeq64 1, 1'],
  ['jgt', 10, 'jgt', 20, 'jeq64 0, 1'],
  ['jgt', 10, 'jgt', 5, 'jgt64 p0, 5'],
  ['jle', 10, 'jlt', 11, 'jeq64 0, 1'],
  ['jeq', 0, 'jge', 1, 'jeq64 1, 1'],
  ['jset', 4, 'jeq', 4, 'jeq64 p0, 4'],
  ['jsgt', 4, 'jsgt', 4, 'jeq64 0, 1'],
])('after leaving if %s %i, asks %s %i as %s', (first, one, second, two, after) => {
  const text = change((b) => {
    leaveIf(b, first, b.param(0), b.constant(one), 0);
    leaveIf(b, second, b.param(0), b.constant(two), 1);
    b.return(b.constant(2));
  }, decideImplied);
  const branches = text.split('-->')[1]?.match(/branch (.*) \?/g);
  expect(branches?.[1]).toBe(`branch ${after} ?`);
});

it('learns nothing from the other way, nor where ways meet', () => {
  const text = change((b) => {
    const [yes, after] = [b.block(), b.block()];
    b.branch('jeq', b.param(0), b.constant(1), yes, after);
    b.enter(yes);
    b.store('u8', b.param(1), 0, b.constant(0), 'other');
    b.jump(after);
    b.enter(after);
    leaveIf(b, 'jeq', b.param(0), b.constant(1), 0);
    b.return(b.constant(2));
  }, decideImplied);
  const [before, after] = text.split('\n-->\n');
  expect(after).toBe(before);
});
