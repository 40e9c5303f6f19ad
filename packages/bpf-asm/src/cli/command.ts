import type { BpfAsmError } from '../error.ts';

/** What a command may do with the world around it. Tests give their own. */
export interface Io {
  /** All of standard input. */
  input(): Promise<Uint8Array>;
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes a line to standard error. */
  complain(text: string): void;
}

/** A subcommand. */
export interface Command {
  /**
   * Does it.
   *
   * @param args - the arguments after the subcommand's name.
   * @throws UsageError when they cannot be understood, and what the package throws.
   */
  run(args: readonly string[], io: Io): Promise<void>;
}

/** The arguments cannot be understood: exit code 2. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE';

  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Something is wrong in a text, at a line of it. */
export class InputError extends Error {
  /** Name of the text's file. */
  readonly file: string;
  override readonly cause: BpfAsmError;

  constructor(file: string, cause: BpfAsmError) {
    super(cause.message, { cause });
    this.name = 'InputError';
    this.file = file;
    this.cause = cause;
  }
}
