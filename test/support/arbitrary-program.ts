/* oxlint-disable oxc/no-map-spread -- these are arbitraries, not arrays */
import {
  add64,
  call,
  callLocal,
  exit,
  func,
  gotol,
  helperByName,
  ja,
  label,
  ldFunction,
  link,
  mov64,
  type FunctionSymbol,
  type Instruction,
  type Item,
  type JumpOp,
  type Register,
} from 'bpf-asm';
import fc from 'fast-check';
import { alu, imm, MEMORY, memory, scalar, SCALARS, width, type Base } from './arbitrary-instruction.ts';

/** What a kernel has, as far as programs are drawn from it. */
export interface Abilities {
  /** Version of the instruction set. */
  readonly version: 3 | 4;
  /** Whether it has `bpf_loop`. */
  readonly loop: boolean;
}

/** A program that was drawn: linked, with the functions in it. */
export interface DrawnProgram {
  readonly instructions: readonly Instruction[];
  readonly functions: readonly FunctionSymbol[];
}

type Step =
  | { readonly kind: 'one'; readonly instruction: Instruction }
  | {
      readonly kind: 'if';
      readonly test: (target: string) => Item;
      readonly body: readonly Instruction[];
      readonly otherwise: readonly Instruction[];
      readonly isFar: boolean;
    }
  | { readonly kind: 'call' }
  | { readonly kind: 'loop'; readonly rounds: number };

const LOOP = helperByName('loop')?.id ?? -1;
const CALLER_SAVED = ['r1', 'r2', 'r3', 'r4', 'r5'] as const;
const JUMPS: readonly JumpOp[] = [
  'jeq', 'jne', 'jgt', 'jge', 'jlt', 'jle', 'jset', 'jsgt', 'jsge', 'jslt', 'jsle',
]; // prettier-ignore

/** Steps that any function can have: instructions, and choices between instructions. */
function plainStep(version: 3 | 4, bases: readonly Base[]): fc.Arbitrary<Step> {
  const one = fc.oneof(alu(version), memory(version, bases));
  const some = fc.array(one, { minLength: 1, maxLength: 4 });
  const choice = fc.record({
    op: fc.constantFrom(...JUMPS),
    width,
    dst: scalar,
    src: fc.oneof(scalar, imm),
    body: some,
    otherwise: fc.oneof(fc.constant([]), some),
    isFar: version === 4 ? fc.boolean() : fc.constant(false),
  });
  return fc.oneof(
    { weight: 4, arbitrary: one.map((instruction): Step => ({ kind: 'one', instruction })) },
    {
      weight: 1,
      arbitrary: choice.map(({ body, otherwise, isFar, ...fields }): Step => ({
        kind: 'if',
        test: (target) => ({ kind: 'jump', ...fields, target }),
        body,
        otherwise,
        isFar,
      })),
    },
  );
}

/** The instructions of steps; `name` sets their labels apart from those of other functions. */
function place(name: string, steps: readonly Step[], fill: (registers: readonly Register[]) => Item[]): Item[] {
  return steps.flatMap((step, i): Item[] => {
    const [otherwise, after] = [`${name} ${i} otherwise`, `${name} ${i} after`];
    switch (step.kind) {
      case 'one':
        return [step.instruction];
      case 'if':
        return [
          step.test(otherwise),
          ...step.body,
          ...(step.otherwise.length === 0 ? [] : [step.isFar ? gotol(after) : ja(after)]),
          label(otherwise),
          ...step.otherwise,
          label(after),
        ];
      // What is called gets the stack of its caller. A call leaves nothing in the registers that carried the arguments.
      case 'call':
        return [mov64('r1', 'r8'), mov64('r2', 'r6'), callLocal('callee'), ...fill(CALLER_SAVED)];
      case 'loop':
        return [
          mov64('r1', step.rounds),
          ldFunction('r2', 'each'),
          mov64('r3', 'r8'),
          mov64('r4', 0),
          call(LOOP),
          ...fill(CALLER_SAVED),
        ];
    }
  });
}

/** The numbers of all registers in one. */
const gathered = (): Item[] =>
  SCALARS.slice(1).map((src): Item => ({ kind: 'alu', op: 'xor', width: 64, dst: 'r0', src }));

/**
 * Programs that the verifier takes: arithmetic, choices, memory, stack, atomics, a function that works on the stack of its caller and
 * on the memory, and one that `bpf_loop` calls back. `r1` leads to {@link MEMORY} bytes.
 */
export function arbitraryProgram({ version, loop }: Abilities): fc.Arbitrary<DrawnProgram> {
  const everywhere = ['r6', 'r8', 'r10'] as const;
  const calls = fc.oneof(
    fc.constant<Step>({ kind: 'call' }),
    // Of no round, the callback is dead code: Linux 6.18 cuts it out, and then misses it ("verifier bug: No program to jit").
    ...(loop ? [fc.integer({ min: 1, max: 5 }).map((rounds): Step => ({ kind: 'loop', rounds }))] : []),
  );
  const parts = {
    steps: fc.array(
      fc.oneof({ weight: 9, arbitrary: plainStep(version, ['r6', 'r10']) }, { weight: 1, arbitrary: calls }),
      { minLength: 1, maxLength: 24 },
    ),
    callee: fc.array(plainStep(version, everywhere), { maxLength: 8 }),
    each: fc.array(plainStep(version, ['r8', 'r10']), { maxLength: 6 }),
    seeds: fc.array(imm, { minLength: 8, maxLength: 8 }),
  };
  return fc.record(parts).map(({ steps, callee, each, seeds }) => {
    const fill = (registers: readonly Register[]): Item[] =>
      registers.map((register, i) => mov64(register, seeds[i] ?? i));
    const stack = seeds.map((src, i): Item => ({ kind: 'store', type: 'u64', dst: 'r10', offset: -8 * (i + 1), src }));
    const has = (kind: Step['kind']): boolean => steps.some((step) => step.kind === kind);
    return link([
      func('main'),
      mov64('r6', 'r1'),
      mov64('r8', 'r10'),
      add64('r8', -MEMORY),
      ...fill(SCALARS),
      ...stack,
      ...place('main', steps, fill),
      ...gathered(),
      exit(),
      ...(has('call')
        ? [
            func('callee'),
            mov64('r8', 'r1'),
            mov64('r6', 'r2'),
            ...fill(SCALARS),
            ...stack,
            ...place('callee', callee, fill),
            ...gathered(),
            exit(),
          ]
        : []),
      ...(has('loop')
        ? [
            func('each'),
            mov64('r8', 'r2'),
            mov64('r7', 'r1'),
            ...fill(SCALARS.filter((register) => register !== 'r7')),
            ...stack,
            ...place('each', each, fill),
            ...gathered(),
            // Stop, or go on.
            { kind: 'alu', op: 'and', width: 64, dst: 'r0', src: 1 } satisfies Item,
            exit(),
          ]
        : []),
    ]);
  });
}
