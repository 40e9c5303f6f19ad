/**
 * The closed list of error codes of this package. Codes are stable: one is added when a new kind of failure appears, none is
 * renamed or reused. What the kernel refuses for reasons of its own stays the `NetlinkTcError` that it is.
 */
export const AMBIENT_REDIRECT_ERROR_CODES = [
  /** A value that the caller gave is of the wrong shape or range; nothing was changed. */
  'ERR_INVALID_ARGUMENT',
  /** The network namespace is not there (any more). */
  'ERR_NETNS_GONE',
  /** What was given as a pod's network namespace is the host's own. */
  'ERR_HOST_NETNS',
  /** No such interface, or none at all that could be the pod's. */
  'ERR_INTERFACE_NOT_FOUND',
  /** The interface is neither a veth nor a netkit. */
  'ERR_NOT_A_VETH',
  /** The other end of the pair is not where it is looked for. */
  'ERR_PEER_ELSEWHERE',
  /** Several interfaces could be the pod's. */
  'ERR_AMBIGUOUS_INTERFACE',
  /** The interface does not have the address. */
  'ERR_ADDRESS_NOT_ON_INTERFACE',
  /** The address belongs to another pod of the node. */
  'ERR_ADDRESS_OF_ANOTHER_POD',
  /** Something of the node is in the way that is not ours to change. */
  'ERR_CONFLICT',
  /** The proxy's process is not there, or does not listen where it must. */
  'ERR_PROXY_NOT_LISTENING',
  /** Another process has the state. */
  'ERR_LOCKED',
  /** There is no state of an engine. */
  'ERR_NO_STATE',
  /** The state was made by a version that lays it out differently; nothing was touched. */
  'ERR_SCHEMA',
  /** Something of the state is gone, or is not what we made it: others had their hands on it. */
  'ERR_DAMAGED',
  /** A program of ours is not at its hook any more: others took it off or replaced it, or the interface is gone. */
  'ERR_HOOK_LOST',
  /** A program or filter of others can keep packets from ours; nothing was attached. */
  'ERR_SHADOWED',
  /** A pod of that name, or on that interface, is enrolled already, and is another one. */
  'ERR_POD_EXISTS',
  /** No more pods can be enrolled. */
  'ERR_TOO_MANY_PODS',
  /** Of several pods some could not be enrolled; the others are. */
  'ERR_ENROLMENT',
  /** What was used is closed. */
  'ERR_CLOSED',
  /** A configuration that cannot be understood; nothing was changed. */
  'ERR_CONFIG',
  /** What listens at the agent's socket is no agent, or does not answer. */
  'ERR_AGENT',
] as const;

/** One of {@link AMBIENT_REDIRECT_ERROR_CODES}. */
export type AmbientRedirectErrorCode = (typeof AMBIENT_REDIRECT_ERROR_CODES)[number];

/** What others have on a hook before a program of ours, and can keep packets from it. */
export interface ShadowingNeighbour {
  readonly interface: string;
  readonly direction: 'ingress' | 'egress';
  readonly layer: 'tcx' | 'clsact';
  /** It in words: kind, priority, program. */
  readonly what: string;
  /** Id and name of its program, where it has one; the name where it may be read. */
  readonly programId: number | undefined;
  readonly programName: string | undefined;
  /** Of a filter. */
  readonly priority: number | undefined;
}

/** What is wrong at one place of a configuration. */
export interface ConfigProblem {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** What it is about, such as `pods[0].policy.dns`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** What an error knows besides its code and message. Every field is present only where it means something. */
export interface AmbientRedirectErrorContext {
  /** The interface that it is about. */
  readonly interface?: string;
  /** The address that it is about. */
  readonly address?: string;
  /** What could have been meant. */
  readonly candidates?: readonly string[];
  /** Of `ERR_ENROLMENT`: each pod that could not be enrolled, and why. */
  readonly failures?: readonly { readonly id: string; readonly error: unknown }[];
  /** Of `ERR_SHADOWED`: who hides the programs of the pod. */
  readonly neighbours?: readonly ShadowingNeighbour[];
  /** Of `ERR_CONFIG`: all that is wrong with the file, in the order of its lines. */
  readonly problems?: readonly ConfigProblem[];
  /** What to do about it, in one sentence. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** The one error class of this package. Tell it by {@link isAmbientRedirectError}: two copies of the class can meet in one process. */
export class AmbientRedirectError extends Error {
  readonly code: AmbientRedirectErrorCode;
  readonly interface: string | undefined;
  readonly address: string | undefined;
  readonly candidates: readonly string[] | undefined;
  readonly failures: AmbientRedirectErrorContext['failures'] | undefined;
  readonly neighbours: readonly ShadowingNeighbour[] | undefined;
  readonly problems: readonly ConfigProblem[] | undefined;
  readonly hint: string | undefined;

  /**
   * @param code what kind of failure it is
   * @param message what is wrong; the hint is appended
   * @param context what it is about, and what to do
   */
  constructor(code: AmbientRedirectErrorCode, message: string, context: AmbientRedirectErrorContext = {}) {
    const { address, candidates, hint, cause } = context;
    super(`${message}${hint === undefined ? '' : `; ${hint}`}`, cause === undefined ? undefined : { cause });
    this.name = 'AmbientRedirectError';
    this.code = code;
    this.interface = context.interface;
    this.address = address;
    this.candidates = candidates;
    this.failures = context.failures;
    this.neighbours = context.neighbours;
    this.problems = context.problems;
    this.hint = hint;
  }
}

/**
 * Tells whether `error` is an {@link AmbientRedirectError}, of this copy of the package or another.
 * @param error anything that was thrown
 * @param code if given, the error must also carry this code
 */
export function isAmbientRedirectError(error: unknown, code?: AmbientRedirectErrorCode): error is AmbientRedirectError {
  return (
    error instanceof Error &&
    error.name === 'AmbientRedirectError' &&
    'code' in error &&
    (code === undefined
      ? (AMBIENT_REDIRECT_ERROR_CODES as readonly unknown[]).includes(error.code)
      : error.code === code)
  );
}
