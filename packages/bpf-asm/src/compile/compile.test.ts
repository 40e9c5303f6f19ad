import { expect, it } from 'vitest';
import { lint } from '../asm/index.ts';
import { runProgram } from '../vm/index.ts';
import { compile, FunctionBuilder, type IrFunction } from './index.ts';

/** Sums 1 to the first word of the memory that `r1` points to, by way of a loop and a function. */
function sum(): IrFunction[] {
  const b = new FunctionBuilder('sum', 1);
  const [head, body, done] = [b.block(), b.block(), b.block()];
  const limit = b.load('u32', b.param(0), 0, 'other');
  const total = b.variable(b.constant(0));
  const i = b.variable(b.constant(1));
  b.jump(head);
  b.enterLoop(head);
  b.branch('jle', b.get(i), limit, body, done);
  b.enter(body);
  b.set(total, b.call({ kind: 'local', name: 'plus' }, [b.get(total), b.get(i)]));
  b.set(i, b.alu('add', b.get(i), b.constant(1)));
  b.jump(head);
  b.seal(head);
  b.enter(done);
  b.return(b.get(total));
  const plus = new FunctionBuilder('plus', 2);
  plus.return(plus.alu('add', plus.param(0), plus.param(1)));
  return [b.finish(), plus.finish()];
}

it('compiles loops and functions', () => {
  for (const optimise of [false, true]) {
    const { instructions, functions } = compile({ functions: sum() }, { optimise });
    expect(lint(instructions)).toEqual([]);
    expect(functions.map(({ name }) => name)).toEqual(['sum', 'plus']);
    expect(runProgram(instructions, { memory: Uint8Array.of(10, 0, 0, 0) }).r0).toBe(55n);
  }
});
