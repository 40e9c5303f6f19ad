import type { MapDefinition, Program } from '../asm/program.ts';
import type { ProgramType } from '../asm/kernel-types.ts';
import { BpfAsmError } from '../error.ts';
import { checkInstructions } from '../isa/check.ts';
import type { Instruction } from '../isa/index.ts';
import { Code } from './code.ts';
import type { ContextValues, ContextValue } from './contexts/index.ts';
import { DEFAULT_HELPERS } from './helpers/default-helpers.ts';
import { VERDICT } from './helpers/redirect-helpers.ts';
import type { HelperTable } from './helper.ts';
import { makeContext } from './make-context.ts';
import { Machine, type TraceCallback } from './machine.ts';
import { createMap, ObjectMap, type VmMap } from './maps/index.ts';
import { Region } from './region.ts';
import { Run, type Clone, type Environment, type Redirect, type VmEvent } from './run.ts';
import type { FindSocket, VmSocket } from './socket.ts';

/** Steps that a run may take where nothing is said. */
export const DEFAULT_STEP_LIMIT = 1_000_000;

/** How an interpreter is made. */
export interface VmOptions {
  /** What kind of program it is, where only instructions are given: it decides on the context. `sched_cls` where nothing is said. */
  readonly type?: ProgramType;
  /**
   * Maps by their names (by the number in decimal where instructions name descriptors or indices): instead of those that the
   * program defines, or besides. Maps may be shared by interpreters.
   */
  readonly maps?: Readonly<Record<string, VmMap>>;
  /** Helpers to add or to replace, by name without the prefix `bpf_`, or by number. */
  readonly helpers?: HelperTable;
  /** Steps that a run may take; 1,000,000 where nothing is said. */
  readonly stepLimit?: number;
  /** The clock in nanoseconds; it stands still at 0 where nothing is said. */
  readonly now?: () => bigint;
  /** Random numbers from 0 to 2^32 - 1; always the same sequence where nothing is said. */
  readonly random?: () => number;
  /** The CPU that runs, and how many there are. */
  readonly cpu?: number;
  readonly cpus?: number;
  /** What `get_netns_cookie` gives; 1 where nothing is said. */
  readonly netnsCookie?: bigint;
  /** Finds the sockets that programs look up; there are none where nothing is said. */
  readonly findSocket?: FindSocket;
  /** Called before each step. Nothing is spent on it where it is not given. */
  readonly trace?: TraceCallback;
}

/** What a program is run on: memory of one's own (`r1` its address, `r2` its length), or a context. */
export interface VmInput {
  /** Memory that the program may read and write; it is used in place. */
  readonly memory?: Uint8Array;
  /** The packet, beginning with its Ethernet header; it is copied. */
  readonly packet?: Uint8Array;
  /** Bytes of the packet that can be reached without a helper; all of them where nothing is said. */
  readonly linear?: number;
  /** Fields of the context. `len`, `protocol` and the like follow from the packet where they are not given. */
  readonly context?: ContextValues;
  /** The socket that the context shows as `sk`. */
  readonly socket?: VmSocket;
  /** `struct bpf_tunnel_key` that the packet came with. */
  readonly tunnelKey?: Uint8Array;
}

/** What a run came to. */
export interface VmResult {
  /** The return value, unsigned. */
  readonly r0: bigint;
  /** The return value's low word, signed: what hooks look at. */
  readonly verdict: number;
  /** Instructions that ran. */
  readonly steps: number;
  /** The packet as the program left it. */
  readonly packet: Uint8Array | undefined;
  /** The context's fields as the program left them. */
  readonly context: Readonly<Record<string, ContextValue>> | undefined;
  /** Where the packet goes, if the verdict is to redirect it. */
  readonly redirect: Redirect | undefined;
  readonly clones: readonly Clone[];
  /** The socket that `sk_assign` chose. */
  readonly assignedSocket: VmSocket | undefined;
  /** Records put into ring buffers and perf buffers, in order. */
  readonly events: readonly VmEvent[];
  /** Lines of `trace_printk`. */
  readonly log: readonly string[];
  /** `struct bpf_tunnel_key` as the program left it. */
  readonly tunnelKey: Uint8Array | undefined;
}

/**
 * An interpreter for one program: made once, run as often as one likes, maps kept in between. It needs no kernel and no
 * privileges, and does what the kernel does, so that programs can be tested like any function.
 *
 * @example
 * ```ts
 * const vm = new Vm(program, { maps: { pods } });
 * const { verdict, redirect } = vm.run({ packet, context: { ifindex: 4, ingress_ifindex: 4 } });
 * ```
 */
export class Vm {
  /** Every map of the program, by name. */
  readonly maps: Readonly<Record<string, VmMap>>;
  /** The program made ready: what a `prog_array` of another interpreter may hold. */
  readonly code: Code;
  readonly #type: ProgramType;
  readonly #machine: Machine;
  readonly #environment: Environment;

  /**
   * @param program - a program, or linked instructions.
   * @throws BpfAsmError `ERR_INVALID_INSTRUCTION`, `ERR_UNRESOLVED`, `ERR_UNSUPPORTED` when the program could not run,
   * `ERR_INVALID_ARGUMENT` when an option or a map definition is wrong.
   */
  constructor(program: Program | readonly Instruction[], options: VmOptions = {}) {
    const whole = typeof program === 'object' && program !== null && 'instructions' in program ? program : undefined;
    const instructions = whole?.instructions ?? (program as readonly Instruction[]);
    checkInstructions(instructions);
    const cpus = options.cpus ?? 1;
    const cpu = options.cpu ?? 0;
    const stepLimit = options.stepLimit ?? DEFAULT_STEP_LIMIT;
    requireInteger('cpus', cpus, 1, 4096);
    requireInteger('cpu', cpu, 0, cpus - 1);
    requireInteger('stepLimit', stepLimit, 1, 0x7fff_ffff);
    this.maps = { ...createMaps(whole?.maps ?? [], options.maps ?? {}, cpus), ...options.maps };
    this.code = new Code(instructions, { maps: this.maps, helpers: { ...DEFAULT_HELPERS, ...options.helpers } });
    this.#type = options.type ?? whole?.type ?? 'sched_cls';
    this.#machine = new Machine({ stepLimit, trace: options.trace });
    this.#environment = {
      now: options.now ?? (() => 0n),
      random: options.random ?? seededRandom(1),
      cpu,
      netnsCookie: options.netnsCookie ?? 1n,
      findSocket: options.findSocket ?? (() => undefined),
    };
  }

  /** A map by its name. @throws BpfAsmError `ERR_INVALID_ARGUMENT` when there is none. */
  map(name: string): VmMap {
    const map = Object.hasOwn(this.maps, name) ? this.maps[name] : undefined;
    if (map !== undefined) return map;
    throw new BpfAsmError('ERR_INVALID_ARGUMENT', `there is no map ${name}`, {
      hint: `maps: ${Object.keys(this.maps).join(', ')}`,
    });
  }

  /**
   * Puts the program of another interpreter into a `prog_array`, for tail calls.
   *
   * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when the map is no `prog_array` or has no such index.
   */
  setTailCall(map: string, index: number, target: Vm): void {
    const programs = this.map(map);
    if (!(programs instanceof ObjectMap) || programs.type !== 'prog_array') {
      throw new BpfAsmError('ERR_INVALID_ARGUMENT', `map ${map} is of type ${programs.type}, not prog_array`);
    }
    programs.setObject(new Uint8Array(Uint32Array.of(index).buffer), target.code);
  }

  /**
   * Runs the program.
   *
   * @throws BpfAsmError `ERR_TRAP` when it does what the kernel would not let it do, `ERR_STEP_LIMIT` when it takes too long,
   * `ERR_INVALID_ARGUMENT` when the input does not fit the program's type.
   */
  run(input: VmInput = {}): VmResult {
    const machine = this.#machine;
    if (input.packet !== undefined) requireBytes('packet', input.packet);
    machine.reset();
    const plain = input.packet === undefined && input.context === undefined;
    const run = plain
      ? new Run('memory', this.#environment)
      : makeContext(this.#type, input, machine.memory, this.#environment);
    if (plain) {
      const memory = input.memory ?? NO_BYTES;
      requireBytes('memory', memory);
      if (memory.length > 0) machine.setAddress(1, new Region('memory', memory), 0);
      machine.setWords(2, memory.length, 0);
    } else if (run.context !== undefined) machine.setAddress(1, run.context.region, 0);
    machine.start(this.code, run);
    return new Result(machine, run);
  }
}

/**
 * Runs a program once.
 *
 * @throws BpfAsmError as {@link Vm} and {@link Vm.run} do.
 * @example
 * ```ts
 * const { verdict } = runProgram(program, { packet, context: { mark: 0x539 } });
 * ```
 */
export function runProgram(
  program: Program | readonly Instruction[],
  input: VmInput,
  options: VmOptions = {},
): VmResult {
  return new Vm(program, options).run(input);
}

class Result implements VmResult {
  readonly r0: bigint;
  readonly verdict: number;
  readonly steps: number;
  readonly clones: readonly Clone[];
  readonly events: readonly VmEvent[];
  readonly log: readonly string[];
  readonly tunnelKey: Uint8Array | undefined;
  readonly #run: Run;

  constructor(machine: Machine, run: Run) {
    this.r0 = machine.u64(0);
    this.verdict = machine.s32(0);
    this.steps = machine.steps;
    this.clones = run.clones;
    this.events = run.events;
    this.log = run.log;
    this.tunnelKey = run.tunnelKey;
    this.#run = run;
  }

  get packet(): Uint8Array | undefined {
    return this.#run.packet?.snapshot();
  }

  get context(): Readonly<Record<string, ContextValue>> | undefined {
    return this.#run.context?.values();
  }

  get redirect(): Redirect | undefined {
    const wanted = this.#run.kind === 'xdp' ? VERDICT.XDP_REDIRECT : VERDICT.TC_ACT_REDIRECT;
    return this.verdict === wanted ? this.#run.redirect : undefined;
  }

  get assignedSocket(): VmSocket | undefined {
    return this.#run.assigned ? this.#run.socket : undefined;
  }
}

const NO_BYTES = new Uint8Array(0);

function createMaps(
  definitions: readonly MapDefinition[],
  given: Readonly<Record<string, VmMap>>,
  cpus: number,
): Record<string, VmMap> {
  const maps: Record<string, VmMap> = {};
  for (const definition of definitions) {
    if (!Object.hasOwn(given, definition.name)) maps[definition.name] = createMap(definition, { cpus });
  }
  return maps;
}

/** Xorshift: the same numbers in each run of a test. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function requireBytes(name: string, value: unknown): void {
  if (value instanceof Uint8Array) return;
  throw new BpfAsmError('ERR_INVALID_ARGUMENT', `the ${name} is not a Uint8Array`, { field: name });
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new BpfAsmError('ERR_INVALID_ARGUMENT', `${name} is a whole number from ${least} to ${most}, not ${value}`, {
    field: name,
  });
}
