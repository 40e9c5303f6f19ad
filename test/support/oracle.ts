import {
  array,
  bytes,
  callLocal,
  exit,
  ldMapValue,
  mov64,
  u32,
  u64,
  type FunctionSymbol,
  type Instruction,
  type Program,
} from 'bpf-asm';
import { createMap, isNetlinkTcError, loadProgram, testRun, type Sys } from 'netlink-tc';

/** What a program left: its whole result, and its memory. */
export interface Outcome {
  readonly r0: bigint;
  readonly memory: Uint8Array;
}

/** The kernel's verdict on a program: what it left, or the verifier's words. */
export type KernelOutcome = Outcome | { readonly refused: string };

/** The running kernel as the judge of what programs do. */
export interface Oracle {
  /**
   * Runs instructions in the kernel: `r1` leads to a copy of `memory` and `r2` is its length, where it is not empty.
   *
   * Callbacks need `functions`, with the names of all functions.
   *
   * The result of a test run has 32 bits only. So the instructions are made a function, whose 64 bits the caller puts into a map.
   */
  run(instructions: readonly Instruction[], memory?: Uint8Array, functions?: readonly FunctionSymbol[]): KernelOutcome;
  close(): void;
}

/** Makes an oracle; close it. */
export function createOracle(sys: Sys): Oracle {
  const result = createMap(sys, {
    name: 'result',
    type: 'array',
    keySize: 4,
    valueSize: 8,
    maxEntries: 1,
    key: u32,
    value: u64,
  });
  return {
    run(instructions, memory = new Uint8Array(0), functions = []): KernelOutcome {
      const size = memory.length;
      const room = {
        name: 'memory',
        type: 'array',
        keySize: 4,
        valueSize: Math.max(size, 1),
        maxEntries: 1,
        key: u32,
      } as const;
      using data = createMap(sys, { ...room, value: size > 0 ? bytes(size) : array(bytes(1), 1) }, { btf: 'none' });
      if (size > 0) data.raw.value.set(memory);
      if (size > 0) data.raw.update(0n);
      const store: Instruction = { kind: 'store', type: 'u64', dst: 'r1', offset: 0, src: 'r0' };
      const caller: Instruction[] = [
        ...(size > 0 ? [ldMapValue('r1', 'memory'), mov64('r2', size)] : []),
        // To the instruction after the four that follow, of five slots.
        callLocal(5),
        ldMapValue('r1', 'result'),
        store,
        mov64('r0', 0),
        exit(),
      ];
      const program: Program = {
        name: 'oracle',
        type: 'sched_cls',
        licence: 'GPL',
        instructions: [...caller, ...instructions],
        functions: [
          { name: 'oracle', index: 0 },
          ...functions.map(({ name, index }) => ({ name, index: caller.length + index })),
        ],
        maps: [],
      };
      try {
        using loaded = loadProgram(sys, program, { maps: { memory: data, result }, btf: functions.length > 0 });
        testRun(sys, loaded);
      } catch (error) {
        if (isNetlinkTcError(error, 'ERR_VERIFIER')) return { refused: error.verifier?.summary ?? error.message };
        throw error;
      }
      data.raw.lookup();
      return { r0: result.lookup(0) ?? 0n, memory: data.raw.value.slice(0, size) };
    },
    close: () => result.close(),
  };
}
