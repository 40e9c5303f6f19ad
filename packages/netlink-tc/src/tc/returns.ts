import {
  jumpTarget,
  landing,
  REGISTER_NUMBER,
  slotMap,
  type Instruction,
  type Jump,
  type Register,
  type SlotMap,
} from 'bpf-asm';
import { combine, either, holds, immediate, mapPossible, same, type Possible } from './constants.ts';

/** What a program can return. */
export interface Returns {
  /** The codes that can reach `exit`, as signed 32-bit numbers, ascending. */
  readonly codes: readonly number[];
  /** Whether codes that cannot be told may reach it too: loaded from memory, computed, from a helper, or of a program it tail-calls. */
  readonly unknown: boolean;
}

/** What a helper call gives back; `argument` tells what its arguments r1 to r5 may be. */
export type HelperResult = (
  helper: number,
  argument: (number: 1 | 2 | 3 | 4 | 5) => Possible,
) => Possible | 'tail-call';

interface State {
  /** r0 to r9. */
  readonly registers: Possible[];
  /** What lies on the stack, by `offset:size`. */
  readonly stack: Map<string, Possible>;
}

const SIZES = { u8: 8, u16: 16, u32: 32, u64: 64, s8: 8, s16: 16, s32: 32 } as const;
const REGISTERS = 10;

/**
 * Finds the codes that can reach `exit`: constants are followed through registers, the stack, branches and functions, and merged
 * where paths meet. What it names is all that can be returned, unless `unknown` says that there is more.
 * @param instructions a whole program, linked; as the kernel translated it or before
 * @param helper what helpers return; any number if left out
 */
export function returnsOf(instructions: readonly Instruction[], helper: HelperResult = () => undefined): Returns {
  const analysis = new Analysis(instructions, helper);
  const result = analysis.run(0);
  const codes = (result ?? []).map((value) => Number(BigInt.asIntN(32, value)));
  return {
    codes: [...new Set([...codes, ...analysis.known])].toSorted((a, b) => a - b),
    unknown: result === undefined || analysis.leaves,
  };
}

class Analysis {
  /** Whether a tail call may end the program elsewhere. */
  leaves = false;
  /** Codes seen at exits of the program itself, also where others there cannot be told. */
  readonly known: number[] = [];
  readonly #code: readonly Instruction[];
  readonly #slots: SlotMap;
  readonly #helper: HelperResult;
  readonly #functions = new Map<number, Possible>();
  /** Whether the address of the stack is anywhere but in r10: then stores and calls may change what lies there. */
  readonly #stackEscapes: boolean;

  constructor(code: readonly Instruction[], helper: HelperResult) {
    this.#code = code;
    this.#slots = slotMap(code);
    this.#helper = helper;
    this.#stackEscapes = code.some(
      (i) => 'src' in i && i.src === 'r10' && i.kind !== 'load' && i.kind !== 'load_acquire',
    );
  }

  /** What the function that begins at an index may return. */
  run(entry: number): Possible {
    const known = this.#functions.get(entry);
    if (known !== undefined || this.#functions.has(entry)) return known;
    // A function that calls itself (which no kernel takes) may return anything.
    this.#functions.set(entry, undefined);
    const states = new Map<number, State>();
    const pending = [entry];
    states.set(entry, { registers: new Array<Possible>(REGISTERS).fill(undefined), stack: new Map() });
    let result: Possible = [];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      const before = states.get(index);
      const instruction = this.#code[index];
      // Running off the end, or into the middle of an instruction: no verified program does.
      if (before === undefined || instruction === undefined) return undefined;
      if (instruction.kind === 'exit') {
        result = this.#exit(entry, result, before.registers[0]);
        continue;
      }
      for (const [next, state] of this.#step(index, instruction, before)) {
        if (merge(states, next, state)) pending.push(next);
      }
    }
    this.#functions.set(entry, result);
    return result;
  }

  #exit(entry: number, result: Possible, returned: Possible): Possible {
    if (entry === 0) this.known.push(...(returned ?? []).map((value) => Number(BigInt.asIntN(32, value))));
    return either(result, returned);
  }

  /** Where control can go from an instruction, with what holds there. */
  #step(index: number, instruction: Instruction, before: State): [number, State][] {
    const state: State = { registers: [...before.registers], stack: new Map(before.stack) };
    if (instruction.kind === 'jump') return this.#branch(index, instruction, state);
    const target = jumpTarget(instruction) === undefined ? undefined : landing(this.#code, this.#slots, index);
    const to: [number, State][] = typeof target === 'number' ? [[target, state]] : [];
    switch (instruction.kind) {
      case 'ja':
      case 'gotol':
        return to;
      case 'gotox':
        // A jump table: every instruction may be next, which is as good as nothing known.
        this.leaves = true;
        return [];
      default:
        this.#apply(index, instruction, state);
        return [...to, [index + 1, state]];
    }
  }

  #branch(index: number, jump: Jump, state: State): [number, State][] {
    const left = possible(state, jump.dst);
    const right = typeof jump.src === 'number' ? [immediate(jump.src, 64)] : possible(state, jump.src);
    const target = landing(this.#code, this.#slots, index);
    const ways: [number, State][] = [];
    for (const [next, taken] of [
      [index + 1, false],
      [target, true],
    ] as const) {
      if (typeof next !== 'number') continue;
      const remaining = left?.filter(
        (x) => right === undefined || right.some((y) => holds(jump.op, jump.width, x, y) === taken),
      );
      if (remaining?.length === 0) continue;
      const registers = [...state.registers];
      const equal = jump.width === 64 && jump.op === (taken ? 'jeq' : 'jne');
      set(registers, jump.dst, remaining ?? (equal ? right : undefined));
      ways.push([next, { registers, stack: new Map(state.stack) }]);
    }
    return ways;
  }

  #apply(index: number, i: Instruction, state: State): void {
    const { registers, stack } = state;
    switch (i.kind) {
      case 'alu': {
        const src = typeof i.src === 'number' ? [immediate(i.src, i.width)] : possible(state, i.src);
        return set(registers, i.dst, combine(i.op, i.width, possible(state, i.dst), src));
      }
      case 'neg':
        return set(
          registers,
          i.dst,
          mapPossible(possible(state, i.dst), i.width, (value) => -value),
        );
      case 'movsx':
        return set(
          registers,
          i.dst,
          mapPossible(possible(state, i.src), i.width, (value) => BigInt.asIntN(i.bits, value)),
        );
      case 'ld_imm64':
        return set(registers, i.dst, i.value.type === 'const' ? [i.value.value] : undefined);
      case 'load':
        return set(registers, i.dst, i.src === 'r10' ? loaded(stack, i.offset, i.type) : undefined);
      case 'store': {
        const value = typeof i.src === 'number' ? [immediate(i.src, 64)] : possible(state, i.src);
        if (i.dst === 'r10') return stored(stack, i.offset, SIZES[i.type], value);
        return this.#memoryChanges(stack);
      }
      case 'store_release':
      case 'atomic':
        this.#memoryChanges(stack);
        if (i.dst === 'r10') stack.clear();
        if (i.kind === 'atomic') set(registers, i.op === 'cmpxchg' ? 'r0' : i.src, undefined);
        return;
      case 'call':
      case 'call_local':
      case 'call_kfunc':
      case 'callx':
      case 'ld_abs':
      case 'ld_ind':
        return this.#call(index, i, state);
      case 'end':
      case 'addr_space_cast':
      case 'mov_percpu':
      case 'load_acquire':
        return set(registers, i.dst, undefined);
      case 'raw':
        // It might even jump: nothing is known from here on.
        this.leaves = true;
        registers.fill(undefined);
        stack.clear();
        return;
      default:
        return;
    }
  }

  #call(index: number, i: Instruction, state: State): void {
    const { registers } = state;
    let result: Possible;
    if (i.kind === 'call') {
      const told = this.#helper(i.helper, (number) => registers[number]);
      if (told === 'tail-call') this.leaves = true;
      else result = told;
    } else if (i.kind === 'call_local') {
      const target = landing(this.#code, this.#slots, index);
      result = typeof target === 'number' ? this.run(target) : undefined;
    } else if (i.kind === 'ld_abs' || i.kind === 'ld_ind') {
      // A packet that is too short ends the program with 0.
      this.known.push(0);
    }
    registers[0] = result;
    registers.fill(undefined, 1, 6);
    this.#memoryChanges(state.stack);
  }

  #memoryChanges(stack: Map<string, Possible>): void {
    if (this.#stackEscapes) stack.clear();
  }
}

function possible({ registers }: State, register: Register): Possible {
  return registers[REGISTER_NUMBER[register]];
}

function set(registers: Possible[], register: Register, value: Possible): void {
  if (REGISTER_NUMBER[register] < REGISTERS) registers[REGISTER_NUMBER[register]] = value;
}

function stored(stack: Map<string, Possible>, offset: number, bits: number, value: Possible): void {
  const end = offset + bits / 8;
  for (const key of stack.keys()) {
    const [start = 0, size = 0] = key.split(':').map(Number);
    if (start < end && offset < start + size / 8) stack.delete(key);
  }
  if (value !== undefined)
    stack.set(
      `${offset}:${bits}`,
      value.map((each) => BigInt.asUintN(bits, each)),
    );
}

function loaded(stack: ReadonlyMap<string, Possible>, offset: number, type: keyof typeof SIZES): Possible {
  const bits = SIZES[type];
  const value = stack.get(`${offset}:${bits}`);
  return type.startsWith('s') ? value?.map((each) => BigInt.asUintN(64, BigInt.asIntN(bits, each))) : value;
}

/** Adds what holds on one more way to an instruction. Says whether that is news. */
function merge(states: Map<number, State>, index: number, state: State): boolean {
  const old = states.get(index);
  if (old === undefined) {
    states.set(index, state);
    return true;
  }
  const registers = old.registers.map((value, i) => either(value, state.registers[i]));
  const stack = new Map<string, Possible>();
  for (const [key, value] of old.stack) {
    const both = state.stack.has(key) ? either(value, state.stack.get(key)) : undefined;
    if (both !== undefined) stack.set(key, both);
  }
  const news =
    registers.some((value, i) => !same(value, old.registers[i])) ||
    stack.size !== old.stack.size ||
    [...stack].some(([key, value]) => !same(value, old.stack.get(key)));
  if (news) states.set(index, { registers, stack });
  return news;
}
