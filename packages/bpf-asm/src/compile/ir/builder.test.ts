import { expect, it } from 'vitest';
import { isBpfAsmError } from '../../error.ts';
import { FunctionBuilder } from './builder.ts';
import { printIr } from './print.ts';

function refused(build: (b: FunctionBuilder) => unknown): string {
  try {
    build(new FunctionBuilder('f', 1));
  } catch (error) {
    if (isBpfAsmError(error, 'ERR_COMPILE')) return error.message;
    throw error;
  }
  return 'accepted';
}

it('turns variables into phis where they are needed, and only there', () => {
  const b = new FunctionBuilder('f', 2);
  const [head, body, done] = [b.block(), b.block(), b.block()];
  const [count, fixed] = [b.variable(b.constant(0)), b.variable(b.param(1))];
  b.jump(head);
  b.enterLoop(head);
  b.branch('jlt', b.get(count), b.get(fixed), body, done);
  b.enter(body);
  b.set(count, b.alu('add', b.get(count), b.constant(2)));
  b.jump(head);
  b.seal(head);
  b.enter(done);
  b.return(b.get(count));
  expect(printIr(b.finish())).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      jump b1
    b1:
      v0 = phi b0 0, b2 v1
      branch jlt64 v0, p1 ? b2 : b3
    b2:
      v1 = add64 v0, 2
      jump b1
    b3:
      return v0"
  `);
});

it('folds constants, decides branches, and drops what cannot be reached', () => {
  const b = new FunctionBuilder('f', 1);
  const [yes, no] = [b.block(), b.block()];
  const seven = b.alu('add', b.constant(3), b.constant(4));
  b.branch('jgt', seven, b.constant(6), yes, no);
  b.enter(no);
  expect(b.reachable).toBe(false);
  b.store('u8', b.param(0), 0, seven, 'other');
  b.return(b.constant(1));
  b.enter(yes);
  b.return(b.swap('be', 16, seven));
  b.return(b.constant(2));
  expect(printIr(b.finish())).toMatchInlineSnapshot(`
    "f(p0)
    b0:
      jump b1
    b1:
      return 1792"
  `);
});

it('refuses what has no meaning, in words', () => {
  expect(refused((b) => b.finish())).toMatch(/runs off the end of function f/);
  expect(refused((b) => b.param(1))).toMatch(/no argument 1/);
  expect(refused((b) => b.get(b.variable()))).toMatch(/may not have been set/);
  expect(
    refused((b) =>
      b.call(
        { kind: 'helper', id: 1 },
        Array.from({ length: 6 }, () => b.constant(0)),
      ),
    ),
  ).toMatch(/6 arguments/);
  expect(refused((b) => b.enter(b.block()))).toMatch(/no end/);
  expect(refused(() => new FunctionBuilder('g', 6))).toMatch(/6 arguments/);
  expect(
    refused((b) => {
      const next = b.block();
      b.jump(next);
      b.enter(next);
      b.jump(next);
    }),
  ).toMatch(/sealed before/);
  expect(
    refused((b) => {
      b.jump(b.block());
      b.finish();
    }),
  ).toMatch(/runs off the end/);
});

it('says where in the source something is wrong', () => {
  const message = refused((b) => {
    b.source = { file: 'capture.ts', line: 12, column: 3 };
    b.get(b.variable());
  });
  expect(message).toContain('capture.ts:12');
});
