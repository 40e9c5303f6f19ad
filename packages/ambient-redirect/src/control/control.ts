import type { EngineStatus, RedirectEngine } from '../engine/index.ts';

/** Where the agent listens to other commands, unless it is told otherwise. */
export const DEFAULT_SOCKET = '/run/ambient-redirect/agent.sock';

/** What is wanted of an agent, and is not so. */
export interface UnmetWish {
  /** The pod's id. */
  readonly id: string;
  /** Code of the error, where it has one. */
  readonly code: string | undefined;
  /** Why it is not enrolled, in words. */
  readonly error: string;
}

/** What an agent tells of itself. */
export interface AgentReport {
  readonly pid: number;
  /** Path of its configuration. */
  readonly config: string;
  /** When it began, ISO 8601. */
  readonly since: string;
  /** What is amiss beside pods: a file that cannot be understood, a proxy that cannot be named. */
  readonly problems: readonly { readonly subject: string; readonly error: string }[];
}

/** The state of a node as {@link Control} tells it. */
export interface ControlStatus extends EngineStatus {
  /** The agent that answered; undefined where none runs. */
  readonly agent?: AgentReport;
  /**
   * Pods that an agent's configuration wants, and that are not enrolled. None is also told where no agent runs: then nobody knows what is
   * wanted beyond what is recorded.
   */
  readonly wanted?: readonly UnmetWish[];
}

/**
 * What commands do to a node, whoever does it for them: `RedirectEngine` is one, and `RemoteEngine`, which asks the agent.
 * `close` lets go, and leaves all running.
 */
export type Control = Pick<
  RedirectEngine,
  | 'enroll'
  | 'unenroll'
  | 'setProxy'
  | 'clearProxy'
  | 'reconcile'
  | 'metrics'
  | 'events'
  | 'teardown'
  | 'close'
  | typeof Symbol.asyncDispose
> & {
  /** What is wanted, and what is found in the kernel. Changes nothing. */
  status(): Promise<ControlStatus>;
};

/** What of a {@link Control} looks only: `EngineView` is one, too. */
export type ReadControl = Pick<Control, 'status' | 'metrics' | 'close' | typeof Symbol.asyncDispose>;
