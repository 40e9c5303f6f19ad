import { REGISTERS, type Instruction, type Register } from '../isa/index.ts';
import {
  CALLER_SAVED,
  fallsThrough,
  functionTarget,
  jumpTarget,
  registersClobbered,
  registersWritten,
  type RegisterSet,
} from './effects.ts';

/** What is known of the registers before an instruction. */
export interface RegisterState {
  /** Set on every path. */
  readonly always: RegisterSet;
  /** Set on some path. */
  readonly sometimes: RegisterSet;
  /** For each register that is not set on every path, the call that used it up; -1 for none. */
  readonly clobberedBy: readonly number[];
  /** For each register, its distance from the frame pointer in bytes, where it is one number on every path. */
  readonly frame: readonly (number | undefined)[];
}

const NONE: readonly number[] = REGISTERS.map(() => -1);
const FRAME_POINTER: readonly (number | undefined)[] = REGISTERS.map((register) =>
  register === 'r10' ? 0 : undefined,
);

/**
 * Follows the registers through every path of every function.
 *
 * @param instructions - linked instructions; the entry finds the context in `r1`, the other functions `r1` to `r5`.
 * @param landings - for each instruction, the index that its target leads to; -1 for none.
 * @returns the state before each instruction; undefined where no path leads.
 */
export function trackRegisters(
  instructions: readonly Instruction[],
  landings: readonly number[],
): (RegisterState | undefined)[] {
  const states = new Array<RegisterState | undefined>(instructions.length).fill(undefined);
  const pending: number[] = [];
  const flow = (index: number, state: RegisterState): void => {
    if (index < 0 || index >= instructions.length) return;
    const before = states[index];
    const merged = before === undefined ? state : merge(before, state);
    if (merged === before) return;
    states[index] = merged;
    pending.push(index);
  };
  const entry = { clobberedBy: NONE, frame: FRAME_POINTER };
  flow(0, { always: (1 << 1) | (1 << 10), sometimes: (1 << 1) | (1 << 10), ...entry });
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    const instruction = instructions[index] as Instruction;
    const after = step(instruction, index, states[index] as RegisterState);
    const target = landings[index] as number;
    if (functionTarget(instruction) !== undefined) {
      const set = CALLER_SAVED | (1 << 10);
      flow(target, { always: set, sometimes: set, ...entry });
    }
    if (jumpTarget(instruction) !== undefined) flow(target, after);
    if (fallsThrough(instruction)) flow(index + 1, after);
  }
  return states;
}

function merge(a: RegisterState, b: RegisterState): RegisterState {
  const always = a.always & b.always;
  const sometimes = a.sometimes | b.sometimes;
  const sameFrame = a.frame.every((offset, n) => offset === undefined || offset === b.frame[n]);
  const sameClobber = a.clobberedBy.every((call, n) => call >= 0 || (b.clobberedBy[n] as number) < 0);
  if (always === a.always && sometimes === a.sometimes && sameFrame && sameClobber) return a;
  return {
    always,
    sometimes,
    clobberedBy: sameClobber
      ? a.clobberedBy
      : a.clobberedBy.map((call, n) => (call >= 0 ? call : (b.clobberedBy[n] as number))),
    frame: sameFrame ? a.frame : a.frame.map((offset, n) => (offset === b.frame[n] ? offset : undefined)),
  };
}

function step(instruction: Instruction, index: number, before: RegisterState): RegisterState {
  const written = registersWritten(instruction);
  const lost = registersClobbered(instruction) & ~written;
  if ((written | lost) === 0) return before;
  const clobberedBy = [...before.clobberedBy];
  const frame = [...before.frame];
  const offset = frameOffset(instruction, before);
  for (let n = 0; n < REGISTERS.length; n++) {
    if (((written | lost) & (1 << n)) === 0) continue;
    clobberedBy[n] = (lost & (1 << n)) === 0 ? -1 : index;
    frame[n] = (lost & (1 << n)) === 0 ? offset : undefined;
  }
  return {
    always: (before.always | written) & ~lost,
    sometimes: (before.sometimes | written) & ~lost,
    clobberedBy,
    frame,
  };
}

/** Distance from the frame pointer of what an instruction writes, where it is known. */
function frameOffset(i: Instruction, before: RegisterState): number | undefined {
  if (i.kind !== 'alu' || i.width !== 64) return undefined;
  if (i.op === 'mov') return typeof i.src === 'number' ? undefined : at(before, i.src);
  const base = at(before, i.dst);
  if (base === undefined || typeof i.src !== 'number') return undefined;
  if (i.op === 'add') return base + i.src;
  return i.op === 'sub' ? base - i.src : undefined;
}

function at(state: RegisterState, register: Register): number | undefined {
  return state.frame[REGISTERS.indexOf(register)];
}
