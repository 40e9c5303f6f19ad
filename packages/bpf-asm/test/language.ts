/**
 * Programs in the language that calculate, for tests: numbers go in by the packet and come out by a map, 64 bits of them. Each is compiled at both levels,
 * and both must agree.
 */
import { arrayMap, schedCls, type SchedClsTools, type Value, type View } from '../src/lang/index.ts';
import { struct, u64, type IntegerLayout, type StructLayout } from '../src/layout/index.ts';
import { Vm } from '../src/vm/index.ts';
import { isBpfAsmError, type BpfAsmError, type BpfAsmErrorCode } from '../src/error.ts';
import { lint, type Program } from '../src/asm/index.ts';

type U64 = IntegerLayout<bigint, 'u64'>;

/** What goes in. */
export interface InputFields extends Readonly<Record<string, U64>> {
  readonly a: U64;
  readonly b: U64;
  readonly c: U64;
}

/** The packet. */
export const Input: StructLayout<InputFields> = struct('input', { a: u64, b: u64, c: u64 }, { packed: true });

/** What a calculation has to work with. */
export type Calculation = (input: View<InputFields>, tools: SchedClsTools<'Apache-2.0'>) => Value<'u64'>;

/** The verdict of a program that came to its end. */
export const DONE = 1;

/** A calculation as a program, which puts its result into the map `result`. */
export function calculation(body: Calculation, optimise: boolean): Program {
  const result = arrayMap('result', { value: u64, maxEntries: 1 });
  return schedCls('calculation', { licence: 'Apache-2.0', optimise, positions: false }, (tools) => {
    const input = tools.skb.parse(Input, tools.drop);
    const value = body(input, tools);
    tools.lookup(result, 0).orElse(tools.drop).set(value);
    return tools.ret(DONE);
  });
}

/** A calculation as a function of the host language, run at both levels. Throws when they differ, or lint finds an error. */
export function calculate(body: Calculation): (a?: bigint, b?: bigint, c?: bigint) => bigint {
  const machines = [true, false].map((optimise) => {
    const program = calculation(body, optimise);
    const finding = lint(program.instructions).find(({ severity }) => severity === 'error');
    if (finding !== undefined) throw new Error(`${finding.message} at ${finding.instruction}`);
    return new Vm(program);
  });
  return (a = 0n, b = 0n, c = 0n) => {
    const packet = Input.encode({ a, b, c });
    const [optimised, plain] = machines.map((vm) => {
      const { verdict } = vm.run({ packet });
      if (verdict !== DONE) throw new Error(`the verdict is ${verdict}`);
      return u64.decode(vm.map('result').get(new Uint8Array(4)) as Uint8Array);
    });
    if (optimised !== plain) throw new Error(`optimised: ${optimised}, plain: ${plain}`);
    return plain as bigint;
  };
}

/** The error that a description of a program is answered with. Throws when there is none, or another code. */
export function refused(
  describe: (tools: SchedClsTools<'Apache-2.0'>) => unknown,
  code: BpfAsmErrorCode = 'ERR_LANGUAGE',
): BpfAsmError {
  try {
    schedCls('refused', { licence: 'Apache-2.0' }, (tools) => {
      describe(tools);
      return tools.next();
    });
  } catch (error) {
    if (isBpfAsmError(error, code)) return error;
    throw error;
  }
  throw new Error('it was built');
}
