/**
 * Exit codes, and how an error is told. It looks at errors by their names and codes and so loads nothing.
 */

/** How the command can end. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notPermitted: 77, interrupted: 130, terminated: 143 } as const;

/** What each of {@link EXIT} means: for the documentation. */
export const EXIT_MEANING: Readonly<Record<number, string>> = {
  [EXIT.ok]: 'it is done, and all is as it is wanted',
  [EXIT.failed]: 'it failed, or something is not as it is wanted',
  [EXIT.usage]: 'the arguments or the configuration were not understood; nothing was changed',
  [EXIT.notPermitted]: 'privileges are missing',
  [EXIT.interrupted]: 'stopped by SIGINT',
  [EXIT.terminated]: 'stopped by SIGTERM',
};

/** An error that the command makes itself. */
export class CliError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;

  /**
   * @param message what is wrong
   * @param options `hint`: what to do; `code` and `exitCode`: `ERR_USAGE` and 2 if left out
   */
  constructor(
    message: string,
    options: {
      readonly hint?: string;
      readonly code?: string;
      readonly exitCode?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliError';
    this.code = options.code ?? 'ERR_USAGE';
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT.usage;
  }
}

/** Nobody reads the standard output any more, as with `| head`: the end, and no failure. */
export class OutputClosed extends Error {
  constructor() {
    super('nobody reads the output any more');
    this.name = 'OutputClosed';
  }
}

/** A signal asked for the end. */
export class Interrupted extends Error {
  readonly exitCode: number;

  /** @param signal which one */
  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`stopped by ${signal}`);
    this.name = 'Interrupted';
    this.exitCode = signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  }
}

/** An error in the words of the command. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** Of several things that were asked for: those that failed. */
  readonly failures?: readonly { readonly id: string; readonly error: ToldError }[];
}

/** Codes that say that the caller's words were wrong, whoever finds it. */
const USAGE_CODES = new Set(['ERR_USAGE', 'ERR_INVALID_ARGUMENT', 'ERR_CONFIG']);

/** Codes that say that a privilege is missing. */
const PERMISSION_CODES = new Set(['ERR_PERMISSION', 'EPERM', 'EACCES']);

/** What a missing privilege is told with. */
const PRIVILEGES =
  'run it as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_SYS_PTRACE (`ambient-redirect doctor` says which is missing)';

interface Known {
  readonly code?: unknown;
  readonly hint?: unknown;
  readonly exitCode?: unknown;
  readonly failures?: readonly { readonly id: string; readonly error: unknown }[];
}

/** The error in words, with what to do. */
export function tellError(error: unknown): ToldError {
  if (!(error instanceof Error)) return { code: 'ERR_INTERNAL', message: String(error) };
  const known = error as Error & Known;
  if (typeof known.code !== 'string') {
    // No error of ours, and none of the system: where it comes from is what helps.
    return {
      code: 'ERR_INTERNAL',
      message: error.stack ?? error.message,
      hint: 'this is a fault of the command: report it with these lines',
    };
  }
  const own = typeof known.hint === 'string' ? known.hint : undefined;
  const suffix = `; ${own ?? ''}`;
  const hint = PERMISSION_CODES.has(known.code) ? [own, PRIVILEGES].filter(Boolean).join('; ') : own;
  return {
    code: known.code,
    message: error.message.endsWith(suffix) ? error.message.slice(0, -suffix.length) : error.message,
    ...(hint === undefined ? {} : { hint }),
    ...(known.failures === undefined
      ? {}
      : { failures: known.failures.map(({ id, error: of }) => ({ id, error: tellError(of) })) }),
  };
}

/** The exit code that an error ends the command with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof OutputClosed) return EXIT.ok;
  const { code, exitCode, failures } = (error ?? {}) as Known;
  if (typeof exitCode === 'number') return exitCode;
  // Of several failures the common reason counts: pods that cannot be enrolled for want of a privilege.
  if (failures !== undefined && failures.length > 0) {
    const codes = new Set(failures.map((failure) => exitCodeOf(failure.error)));
    return codes.size === 1 ? ([...codes][0] ?? EXIT.failed) : EXIT.failed;
  }
  if (typeof code !== 'string') return EXIT.failed;
  return PERMISSION_CODES.has(code) ? EXIT.notPermitted : USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed;
}
