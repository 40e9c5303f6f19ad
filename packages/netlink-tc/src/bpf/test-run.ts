import { constants } from 'node:os';
import { NetlinkTcError } from '../error.ts';
import type { Sys } from '../sys/index.ts';
import { TEST_RUN, TEST_RUN_SIZE } from './attr-table.ts';
import { Attr, checkU32 } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';

const { EINTR, EINVAL } = constants.errno;

/** Room that the kernel may use beyond the data: programs can grow a packet by so much. */
const GROWTH = 258;

/** Options of {@link testRun}. */
export interface TestRunOptions {
  /** The packet. Types that take one want at least 14 bytes, which is the default; a `sk_lookup` or `syscall` program takes none. */
  readonly data?: Uint8Array | null;
  /** The context (`struct __sk_buff`, `struct bpf_sk_lookup`, …); for most types only some fields may be set. */
  readonly context?: Uint8Array;
  /** How often to run it; more than once tells the time of one run. Default 1. */
  readonly repeat?: number;
}

/** What a test run gave. */
export interface TestRunResult {
  /** What the program returned: 32 bits. */
  readonly result: number;
  /** The packet after the run; empty where it has none. */
  readonly data: Uint8Array;
  /** The context after the run; empty where none was given. */
  readonly context: Uint8Array;
  /** Nanoseconds of one run, as the kernel measured them. */
  readonly nanoseconds: number;
}

/**
 * Runs a loaded program once, or often, without attaching it (`BPF_PROG_TEST_RUN`, 4.12; contexts 5.2; `sk_lookup` 5.13).
 * @throws NetlinkTcError with a hint for data that is too short or a context that may not be set
 */
export function testRun(
  sys: Sys,
  program: { readonly fd: number; readonly name?: string },
  options: TestRunOptions = {},
): TestRunResult {
  const { data = new Uint8Array(14), context, repeat = 1 } = options;
  checkU32('the number of repetitions', repeat, 1);
  const dataOut = new Uint8Array(data === null ? 0 : data.length + GROWTH);
  const contextOut = new Uint8Array(context?.length ?? 0);
  const attr = new Attr(sys, TEST_RUN_SIZE)
    .u32(TEST_RUN.prog_fd, program.fd)
    .u32(TEST_RUN.data_size_in, data?.length ?? 0)
    .u32(TEST_RUN.data_size_out, dataOut.length)
    .pointer(TEST_RUN.data_in, data ?? new Uint8Array(0))
    .pointer(TEST_RUN.data_out, dataOut)
    .u32(TEST_RUN.repeat, repeat)
    .u32(TEST_RUN.ctx_size_in, context?.length ?? 0)
    .u32(TEST_RUN.ctx_size_out, contextOut.length)
    .pointer(TEST_RUN.ctx_in, context ?? new Uint8Array(0))
    .pointer(TEST_RUN.ctx_out, contextOut);
  let result = -EINTR;
  for (let attempt = 0; attempt < 10 && result === -EINTR; attempt += 1) {
    result = sys.bpf(BPF_COMMAND.BPF_PROG_TEST_RUN, attr.bytes);
  }
  if (result < 0) {
    const short = data !== null && data.length < 14;
    const invalid = short
      ? 'a packet has at least 14 bytes'
      : 'see which fields of the context may be set, and whether this type takes data';
    throw bpfError(sys, result, 'BPF_PROG_TEST_RUN', `cannot test-run ${program.name ?? `program fd ${program.fd}`}`, {
      needs: ['CAP_BPF', 'CAP_NET_ADMIN'],
      ...(result === -EINVAL ? { hint: invalid } : {}),
    });
  }
  return {
    result: attr.getU32(TEST_RUN.retval),
    data: dataOut.subarray(0, Math.min(dataOut.length, attr.getU32(TEST_RUN.data_size_out))),
    context: contextOut.subarray(0, Math.min(contextOut.length, attr.getU32(TEST_RUN.ctx_size_out))),
    nanoseconds: attr.getU32(TEST_RUN.duration),
  };
}

/** The time of one run, over several measurements. */
export interface ProgramBenchmark {
  /** Median of the measurements, nanoseconds a run. */
  readonly median: number;
  /** Fastest and slowest measurement. */
  readonly fastest: number;
  readonly slowest: number;
}

/**
 * Measures a program by repeated test runs: `rounds` measurements of `repeat` runs each. The floor of a program that returns at
 * once is some 40 ns; compare with that.
 */
export function benchmarkProgram(
  sys: Sys,
  program: { readonly fd: number },
  options: TestRunOptions & { readonly rounds?: number } = {},
): ProgramBenchmark {
  const { rounds = 5, repeat = 1_000_000, ...rest } = options;
  if (!(rounds >= 1)) throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'a benchmark has at least one round');
  const times = Array.from({ length: rounds }, () => testRun(sys, program, { ...rest, repeat }).nanoseconds).sort(
    (a, b) => a - b,
  );
  const at = (index: number): number => times[index] ?? 0;
  return { median: at(Math.floor(times.length / 2)), fastest: at(0), slowest: at(times.length - 1) };
}
