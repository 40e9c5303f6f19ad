/**
 * The interpreter against a plain loop of JavaScript that does the same 64-bit arithmetic and memory traffic on bigint, which is what
 * an interpreter without words would do, and against the same loop on doubles, which nothing can beat.
 */
import { Vm, type Instruction } from 'bpf-asm';
import { compare } from './compare.ts';

const ROUNDS = 20_000;

// r0 = 0; for (r1 = ROUNDS; r1 != 0; r1--) { [r10 - 8] = r0; r2 = [r10 - 8]; r2 += 7; r2 &= 0xffff; r0 = r2 ^ r1 }
const loop: readonly Instruction[] = [
  { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 0 },
  { kind: 'alu', op: 'mov', width: 64, dst: 'r1', src: ROUNDS },
  { kind: 'store', type: 'u64', dst: 'r10', offset: -8, src: 'r0' },
  { kind: 'load', type: 'u64', dst: 'r2', src: 'r10', offset: -8 },
  { kind: 'alu', op: 'add', width: 64, dst: 'r2', src: 7 },
  { kind: 'alu', op: 'and', width: 64, dst: 'r2', src: 0xffff },
  { kind: 'alu', op: 'xor', width: 64, dst: 'r2', src: 'r1' },
  { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 'r2' },
  { kind: 'alu', op: 'sub', width: 64, dst: 'r1', src: 1 },
  { kind: 'jump', op: 'jne', width: 64, dst: 'r1', src: 0, target: -8 },
  { kind: 'exit' },
];
const vm = new Vm(loop);
const expected = vm.run();

const stack = new DataView(new ArrayBuffer(8));

function plain(): number {
  let result = 0;
  for (let round = ROUNDS; round !== 0; round--) {
    stack.setFloat64(0, result, true);
    result = ((stack.getFloat64(0, true) + 7) & 0xffff) ^ round;
  }
  return result;
}

function bigint(): bigint {
  let result = 0n;
  for (let round = BigInt(ROUNDS); round !== 0n; round--) {
    stack.setBigUint64(0, result, true);
    result = BigInt.asUintN(64, ((stack.getBigUint64(0, true) + 7n) & 0xffffn) ^ round);
  }
  return result;
}

if (expected.r0 !== BigInt(plain()) || expected.r0 !== bigint()) throw new Error('the three do not do the same');

const subject = { name: 'interpreter', run: () => vm.run().r0 };
const shape = { units: expected.steps, unit: 'instructions', subject };
await compare({ title: 'interpret', ...shape, floor: { name: 'the same loop in JavaScript', run: plain } });
await compare({ title: 'interpret', ...shape, floor: { name: 'the same loop on bigint', run: bigint } });
