import type { SourcePosition } from 'bpf-asm';
import { constants } from 'node:os';
import { errnoName } from './errno.ts';

/**
 * The closed list of error codes of this package. Codes are stable: one is added when a new kind of failure appears, none is
 * renamed or reused. What the kernel refused keeps its `errno` beside the code, which says what it means to the caller.
 */
export const NETLINK_TC_ERROR_CODES = [
  /** Not Linux, or an architecture whose system call numbers are not known here. */
  'ERR_UNSUPPORTED_PLATFORM',
  /** The foreign function library could not be loaded, or lacks what was asked of it. */
  'ERR_BACKEND',
  /** A value that the caller gave is of the wrong shape or size; nothing was changed. */
  'ERR_INVALID_ARGUMENT',
  /** The object was closed before. */
  'ERR_CLOSED',
  /** EPERM, EACCES: a capability, a limit or the kernel's configuration stands in the way. */
  'ERR_PERMISSION',
  /** ENOENT, ENODEV, ESRCH, ENXIO. */
  'ERR_NOT_FOUND',
  /** EEXIST. */
  'ERR_EXISTS',
  /** EBUSY, EAGAIN after retries. */
  'ERR_BUSY',
  /** ENOSPC, E2BIG, ENOMEM, ENOBUFS: no room for it. */
  'ERR_NO_SPACE',
  /** ESTALE: what was expected to be there has changed meanwhile. */
  'ERR_STALE',
  /** ENOLINK: what the link was attached to is gone. */
  'ERR_DETACHED',
  /** This kernel does not have it. */
  'ERR_UNSUPPORTED',
  /** The verifier refused a program. */
  'ERR_VERIFIER',
  /** An existing object is not what was asked for. */
  'ERR_INCOMPATIBLE',
  /** Iteration could not be finished because others change the map too fast. */
  'ERR_ITERATION_ABORTED',
  /** A reply that breaks its own protocol: truncated, of the wrong type or sequence. */
  'ERR_PROTOCOL',
  /** A netlink dump that others' changes interrupted. */
  'ERR_DUMP_INTERRUPTED',
  /** Nothing came in the time that was given. */
  'ERR_TIMEOUT',
  /** Any other error number of a system call. */
  'ERR_SYSCALL',
] as const;

/** One of {@link NETLINK_TC_ERROR_CODES}. */
export type NetlinkTcErrorCode = (typeof NETLINK_TC_ERROR_CODES)[number];

/** What the verifier said of a program that it refused. */
export interface VerifierReport {
  /** The line of the log that says what is wrong. */
  readonly summary: string;
  /** The whole log. */
  readonly log: string;
  /** Whether the log is all there: the kernel's own limit, or an error of the kernel, can cut it. */
  readonly truncated: boolean;
  /** Index of the refused instruction in the program's list; undefined where the log names none. */
  readonly instruction: number | undefined;
  /** Who wrote that instruction. */
  readonly source: SourcePosition | undefined;
  /** What the summary means, and what to write instead; undefined for messages that are not in the table. */
  readonly explanation: string | undefined;
}

/** What an error knows besides its code and message. Every field is present only where it means something. */
export interface NetlinkTcErrorContext {
  /** The kernel's error number, positive. */
  readonly errno?: number;
  /** The system call that returned it, with the command where it has several: `bpf(BPF_MAP_CREATE)`. */
  readonly syscall?: string;
  /** What to do about it, in one sentence. */
  readonly hint?: string;
  /** The kernel's own words: verifier log or extended acknowledgement. */
  readonly kernelMessage?: string;
  /** What the verifier said, for `ERR_VERIFIER`. */
  readonly verifier?: VerifierReport;
  /** The netlink attribute that it is about, by its path: `IFLA_LINKINFO.IFLA_INFO_KIND`. */
  readonly attribute?: string;
  /** What was read before an interrupted dump was given up. */
  readonly partial?: readonly unknown[];
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** The one error class of this package. Tell it by {@link isNetlinkTcError}: two copies of the class can meet in one process. */
export class NetlinkTcError extends Error {
  readonly code: NetlinkTcErrorCode;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly hint: string | undefined;
  readonly kernelMessage: string | undefined;
  readonly verifier: VerifierReport | undefined;
  readonly attribute: string | undefined;
  readonly partial: readonly unknown[] | undefined;

  /**
   * @param code what kind of failure it is
   * @param message what was tried and what went wrong; the error number's name and the hint are appended
   * @param context the error number, the system call, the hint, the kernel's words
   */
  constructor(code: NetlinkTcErrorCode, message: string, context: NetlinkTcErrorContext = {}) {
    const { errno, syscall, hint, kernelMessage, verifier, attribute, partial, cause } = context;
    const name = errno === undefined ? '' : `: ${errnoName(errno)}${syscall === undefined ? '' : ` from ${syscall}`}`;
    super(`${message}${name}${hint === undefined ? '' : `; ${hint}`}`, cause === undefined ? undefined : { cause });
    this.name = 'NetlinkTcError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.hint = hint;
    this.kernelMessage = kernelMessage;
    this.verifier = verifier;
    this.attribute = attribute;
    this.partial = partial;
  }
}

/** `ENOTSUPP`, which the kernel returns although it is not meant for user space. C libraries have no name for it. */
export const ENOTSUPP = 524;

const { errno: E } = constants;

const CODE_OF_ERRNO: ReadonlyMap<number, NetlinkTcErrorCode> = new Map<number, NetlinkTcErrorCode>([
  [E.EPERM, 'ERR_PERMISSION'],
  [E.EACCES, 'ERR_PERMISSION'],
  [E.ENOENT, 'ERR_NOT_FOUND'],
  [E.ENODEV, 'ERR_NOT_FOUND'],
  [E.ESRCH, 'ERR_NOT_FOUND'],
  [E.ENXIO, 'ERR_NOT_FOUND'],
  [E.EEXIST, 'ERR_EXISTS'],
  [E.EBUSY, 'ERR_BUSY'],
  [E.EAGAIN, 'ERR_BUSY'],
  [E.ENOSPC, 'ERR_NO_SPACE'],
  [E.E2BIG, 'ERR_NO_SPACE'],
  [E.ENOMEM, 'ERR_NO_SPACE'],
  [E.ENOBUFS, 'ERR_NO_SPACE'],
  [E.ESTALE, 'ERR_STALE'],
  [E.ENOLINK, 'ERR_DETACHED'],
  [E.ENOSYS, 'ERR_UNSUPPORTED'],
  [E.EOPNOTSUPP, 'ERR_UNSUPPORTED'],
  [ENOTSUPP, 'ERR_UNSUPPORTED'],
]);

/** The code that an error number of the kernel means to the caller, where nothing more is known. */
export function codeOfErrno(errno: number): NetlinkTcErrorCode {
  return CODE_OF_ERRNO.get(Math.abs(errno)) ?? 'ERR_SYSCALL';
}

/** What {@link systemError} may say beyond the error number. */
export type SystemErrorContext = Omit<NetlinkTcErrorContext, 'errno' | 'syscall'> & {
  /** A better code than the error number alone gives. */
  readonly code?: NetlinkTcErrorCode;
};

/**
 * The error for a system call that failed.
 * @param result what the call returned: a negative error number
 * @param syscall its name, with the command where it has several
 * @param message what was tried
 */
export function systemError(
  result: number,
  syscall: string,
  message: string,
  context: SystemErrorContext = {},
): NetlinkTcError {
  const errno = Math.abs(result);
  const { code = codeOfErrno(errno), ...rest } = context;
  return new NetlinkTcError(code, message, { ...rest, errno, syscall });
}

/**
 * Tells whether `error` is a {@link NetlinkTcError}, of this copy of the package or another.
 * @param error anything that was thrown
 * @param code if given, the error must also carry this code
 * @example
 * ```ts
 * try { map.lookup(key) } catch (e) { if (!isNetlinkTcError(e, 'ERR_CLOSED')) throw e }
 * ```
 */
export function isNetlinkTcError(error: unknown, code?: NetlinkTcErrorCode): error is NetlinkTcError {
  return (
    error instanceof Error &&
    error.name === 'NetlinkTcError' &&
    'code' in error &&
    (code === undefined ? (NETLINK_TC_ERROR_CODES as readonly unknown[]).includes(error.code) : error.code === code)
  );
}
