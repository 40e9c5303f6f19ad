import {
  ATTACH_TYPE,
  encode,
  PROGRAM_TYPE,
  programBtf,
  resolveMaps,
  slotMap,
  type Instruction,
  type Program,
} from 'bpf-asm';
import { constants } from 'node:os';
import { NetlinkTcError, type VerifierReport } from '../error.ts';
import { cString, type Fd, type Sys } from '../sys/index.ts';
import { PROG_LOAD, PROG_LOAD_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { loadBtf } from './btf.ts';
import { BPF_COMMAND, bpfError, type BpfErrorContext } from './command.ts';
import { createMap } from './map-create.ts';
import { withMemlock } from './memlock.ts';
import { programNeeds } from './permission.ts';
import { BpfProgram, type AnyMap } from './program.ts';
import { withSourceText } from './source-text.ts';
import { explainVerifier } from './verifier-explain.ts';
import { summariseLog } from './verifier-log.ts';

const { E2BIG, EAGAIN, ENOSPC, EFAULT, EINVAL } = constants.errno;

/** A signal interrupts the verification of a large program; so many times it is begun again, with signals held back. */
const ATTEMPTS = 10;
/** rt_sigprocmask(2): the set replaces the one of the thread. */
const SIG_SETMASK = 2;
const LOG_START = 64 << 10;
/** Every instruction that the verifier walks over, and its messages (`BPF_LOG_LEVEL1` of Linux' include/linux/bpf_verifier.h). */
const LOG_WALK = 1;
/** The messages alone (`BPF_LOG_STATS`, 5.2). */
const LOG_MESSAGES = 4;
/** The kernel takes no larger log (`BPF_LOG` limit, UINT_MAX >> 2). */
const LOG_MOST = 0x3fff_ffff;

/** Options of {@link loadProgram}. */
export interface LoadProgramOptions {
  /** Maps that exist, by the names that the program uses; the others are made of the program's definitions. */
  readonly maps?: Readonly<Record<string, { readonly fd: number }>>;
  /** Whether types and source lines go along, so that logs quote the source; taken away where a kernel has none. Default true. */
  readonly btf?: boolean;
  /** `BPF_F_*` of `BPF_PROG_LOAD`. */
  readonly flags?: number;
  /**
   * When to ask for the verifier's log: `on-failure` (default) loads a second time to get one, `never` does not, a number is the
   * size of the first buffer where a broken kernel does not let it grow.
   */
  readonly log?: 'on-failure' | 'never' | number;
}

/**
 * Loads a program, makes the maps that it names and does not find among those given, and closes all of it again where that fails.
 * @throws NetlinkTcError `ERR_VERIFIER` with {@link VerifierReport}: what is wrong, in which line of which file, in plain words;
 * `ERR_INVALID_ARGUMENT` for a map that is neither given nor defined; `ERR_PERMISSION`
 * @example
 * ```ts
 * using pass = loadProgram(sys, { name: 'pass', type: 'sched_cls', licence: 'Apache-2.0', instructions, functions, maps: [] });
 * ```
 */
export function loadProgram(sys: Sys, program: Program, options: LoadProgramOptions = {}): BpfProgram {
  const given = options.maps ?? {};
  const made: AnyMap[] = [];
  const maps = new Map<string, AnyMap>();
  try {
    const fds = new Map(Object.entries(given).map(([name, { fd }]) => [name, fd]));
    for (const definition of program.maps) {
      if (fds.has(definition.name)) continue;
      const map = createMap(sys, definition) as AnyMap;
      made.push(map);
      maps.set(definition.name, map);
      fds.set(definition.name, map.fd);
    }
    return new BpfProgram(loadFd(sys, program, fds, options), program, maps, made);
  } catch (error) {
    for (const map of made) map.close();
    throw error;
  }
}

function loadFd(sys: Sys, program: Program, maps: ReadonlyMap<string, number>, options: LoadProgramOptions): Fd {
  const byteOrder = sys.platform.littleEndian ? 'little' : 'big';
  const { name, type, licence, expectedAttachType } = program;
  if (!Object.hasOwn(PROGRAM_TYPE, type))
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no program type ${String(type)}`);
  const instructions = encode(
    resolveMaps(program.instructions, (map) => maps.get(map)),
    { byteOrder },
  );
  const attr = new Attr(sys, PROG_LOAD_SIZE)
    .u32(PROG_LOAD.prog_type, PROGRAM_TYPE[type])
    .u32(PROG_LOAD.insn_cnt, instructions.length / 8)
    .pointer(PROG_LOAD.insns, instructions)
    .pointer(PROG_LOAD.license, cString(licence))
    .u32(PROG_LOAD.prog_flags, options.flags ?? 0)
    .u32(PROG_LOAD.expected_attach_type, expectedAttachType === undefined ? 0 : ATTACH_TYPE[expectedAttachType])
    .name(PROG_LOAD.prog_name, name);
  const btf: (Fd | undefined)[] = [];
  const describe = (described: Program): void => {
    if (options.btf !== false) btf.push(attachBtf(sys, described, attr));
  };
  describe(program);
  try {
    const result = load(sys, attr);
    if (result >= 0) return sys.fds.own(result, `program ${name}`);
    const policy = options.log ?? 'on-failure';
    if (policy === 'never') throw refusal(sys, program, result);
    const quoted = withSourceText(program);
    describe(quoted);
    throw failure(sys, quoted, attr, result, policy === 'on-failure' ? LOG_START : policy);
  } finally {
    for (const fd of btf) fd?.close();
  }
}

function load(sys: Sys, attr: Attr): number {
  const once = (): number => withMemlock(sys, () => sys.bpf(BPF_COMMAND.BPF_PROG_LOAD, attr.bytes));
  const result = once();
  return result === -EAGAIN ? withoutSignals(sys, once) : result;
}

/** Makes a call that signals interrupt: a profiler sends them faster than a large program is verified. They come when it has returned. */
function withoutSignals(sys: Sys, call: () => number): number {
  const old = new Uint8Array(8);
  const isBlocked = sys.call('rt_sigprocmask', SIG_SETMASK, new Uint8Array(8).fill(0xff), old, old.length) === 0;
  try {
    let result = call();
    for (let attempt = 1; attempt < ATTEMPTS && result === -EAGAIN; attempt += 1) result = call();
    return result;
  } finally {
    if (isBlocked) sys.call('rt_sigprocmask', SIG_SETMASK, old, null, old.length);
  }
}

/** Types, functions and lines of the program. A kernel without BTF, or a process that may not load it, loads without. */
function attachBtf(sys: Sys, program: Program, attr: Attr): Fd | undefined {
  const byteOrder = sys.platform.littleEndian ? 'little' : 'big';
  const { bytes, funcInfo, lineInfo } = programBtf({ ...program, maps: [] }, { byteOrder });
  let fd: Fd;
  try {
    fd = loadBtf(sys, bytes);
  } catch {
    return undefined;
  }
  attr.u32(PROG_LOAD.prog_btf_fd, fd.number).u32(PROG_LOAD.func_info_rec_size, 8);
  attr.pointer(PROG_LOAD.func_info, funcInfo).u32(PROG_LOAD.func_info_cnt, funcInfo.length / 8);
  if (lineInfo.length > 0) {
    attr.u32(PROG_LOAD.line_info_rec_size, 16).pointer(PROG_LOAD.line_info, lineInfo);
    attr.u32(PROG_LOAD.line_info_cnt, lineInfo.length / 16);
  }
  return fd;
}

/** The error of a program that was not loaded. */
function refusal(sys: Sys, { name, type }: Program, result: number, context: BpfErrorContext = {}): NetlinkTcError {
  const words = context.verifier === undefined ? '' : `: the verifier refuses it${whatItSays(context.verifier)}`;
  return bpfError(sys, result, 'BPF_PROG_LOAD', `cannot load ${type} program ${name}${words}`, {
    needs: programNeeds(type),
    ...context,
  });
}

function whatItSays({ source, summary }: VerifierReport): string {
  const where =
    source === undefined
      ? ''
      : ` at ${source.file}:${source.line}${source.text === undefined ? '' : ` (${source.text.trim()})`}`;
  return summary === '' ? where : `${where}: ${summary}`;
}

/** Loads again for the log, in a buffer that grows to the log's true size, and makes the error of it. */
function failure(sys: Sys, program: Program, attr: Attr, result: number, size: number): NetlinkTcError {
  const { log, errno, truncated } = readLog(sys, attr, size, result);
  if (log === '' || errno === EAGAIN) {
    const hint = UNSEEN[errno];
    return refusal(sys, program, -errno, hint === undefined ? {} : { hint });
  }
  const verifier = reportOf(program.instructions, log, truncated);
  return refusal(sys, program, -errno, {
    code: 'ERR_VERIFIER',
    kernelMessage: log,
    verifier,
    ...(verifier.explanation === undefined ? {} : { hint: verifier.explanation }),
  });
}

/** What is no fault of the program's instructions, and so not in the log. */
const UNSEEN: Readonly<Record<number, string>> = {
  [EINVAL]: 'the kernel refuses the attributes before it looks at the program: its type, flags or expected attach type',
  [EAGAIN]: 'signals interrupt the verifier each time: try again when there are fewer of them',
  [E2BIG]: 'a program has a million instructions at most (4096 without CAP_BPF): split it by tail calls',
};

function readLog(
  sys: Sys,
  attr: Attr,
  start: number,
  first: number,
): { log: string; errno: number; truncated: boolean } {
  let errno = -first;
  let log = '';
  // Over its limit, the verifier has walked over a million instructions, and no single one of them is at fault.
  const level = errno === E2BIG ? LOG_MESSAGES : LOG_WALK;
  for (let size = start; ;) {
    const buffer = new Uint8Array(size);
    attr.u32(PROG_LOAD.log_level, level).u32(PROG_LOAD.log_size, size).u64(PROG_LOAD.log_buf, sys.addressOf(buffer));
    const result = load(sys, attr);
    // Loaded after all: what stood in the way is gone, and the caller may try again.
    if (result >= 0) sys.call('close', result);
    else if (result !== -ENOSPC) errno = -result;
    const end = buffer.indexOf(0);
    // Names in the log are the author's: bytes that are no UTF-8 must not stop it from being read.
    log = new TextDecoder().decode(end < 0 ? buffer : buffer.subarray(0, end));
    const trueSize = attr.getU32(PROG_LOAD.log_true_size);
    const tooSmall = trueSize > size || result === -ENOSPC;
    if (!tooSmall || size >= LOG_MOST || result === -EFAULT) return { log: log.trim(), errno, truncated: tooSmall };
    size = Math.min(LOG_MOST, trueSize > size ? trueSize : size * 4);
  }
}

/**
 * What a verifier log says of a program, with the author's line.
 * @param instructions the program's instructions, with their sources
 */
export function reportOf(instructions: readonly Instruction[], log: string, truncated = false): VerifierReport {
  const { summary, message, slot } = summariseLog(log);
  const index = slot === undefined ? -1 : (slotMap(instructions).indexOf[slot] ?? -1);
  let source = index < 0 ? undefined : instructions[index]?.source;
  // What a line became is several instructions, and not each need carry it.
  for (let i = index; source === undefined && i >= 0; i -= 1) source = instructions[i]?.source;
  return {
    summary,
    log,
    truncated,
    instruction: index < 0 ? undefined : index,
    source,
    explanation: explainVerifier(message) ?? explainVerifier(summary),
  };
}
