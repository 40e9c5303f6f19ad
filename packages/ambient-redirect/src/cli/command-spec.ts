/**
 * What a command is, as data. The parser, `--help`, the completions, docs/cli.md and the man page are all made of it, so that none of them can
 * say something else.
 *
 * A file in `commands/` has one spec, imports nothing heavy, and names the file in `run/` that does the work, which is loaded when the command
 * is really run.
 */
import type { Readable } from 'node:stream';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';

/** What a shell offers for a value. */
export type Completion = 'file' | 'directory' | 'interface';

/** An option, such as `--netns PATH`. */
export interface OptionSpec {
  /** The long name without its dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What stands for its value, in capitals. An option without one is on or off. */
  readonly value?: string;
  /** What a value may be: a number from the first to the second (`whole` ones only), where it is not any text. */
  readonly number?: { readonly from: number; readonly to: number; readonly whole: boolean };
  /** The values that there are. */
  readonly choices?: readonly string[];
  /** May be given several times. */
  readonly repeat?: boolean;
  /** Has to be given. */
  readonly required?: boolean;
  /** What it is if it is not given. */
  readonly default?: string;
  /** What it is if only its name is given: the value may be left out. */
  readonly bare?: string;
  /** What it does: a sentence without its full stop. */
  readonly summary: string;
  readonly completes?: Completion;
}

/** An argument that has its place. */
export interface ArgumentSpec {
  /** In capitals, such as `POD`. */
  readonly name: string;
  readonly summary: string;
  /** May be left out. */
  readonly optional?: boolean;
  /** Takes all that follow; of the last argument only. */
  readonly repeat?: boolean;
  readonly choices?: readonly string[];
  readonly completes?: Completion;
}

/** A way to use a command. */
export interface ExampleSpec {
  /** What it does: a sentence without its full stop. */
  readonly summary: string;
  /** A line for a shell, from `ambient-redirect` on. */
  readonly line: string;
}

/** What `--json` prints. */
export interface JsonSpec {
  /** What it is, with the meaning of its fields. */
  readonly summary: string;
  /** One such document; of a stream one record for each line. */
  readonly example: unknown;
  /** One document a line, as things happen (NDJSON). */
  readonly stream?: boolean;
}

/** Whatever a command may do outside of the kernel: tests give it their own. */
export interface CommandIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at SIGINT and SIGTERM, and when nobody reads the standard output any more. */
  readonly signal: AbortSignal;
}

/** Where text goes. */
export interface TextSink {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  /** The width of the terminal. */
  readonly columns?: number;
  /** Its height. */
  readonly rows?: number;
}

/** What a command is run with. */
export interface CommandContext {
  readonly args: Arguments;
  readonly output: Output;
  readonly io: CommandIo;
}

/**
 * What a command does.
 * @returns its exit code; 0 if nothing is returned
 */
// oxlint-disable-next-line typescript/no-invalid-void-type
export type CommandRun = (context: CommandContext) => Promise<number | void>;

/** A command. */
export interface CommandSpec {
  /** One word, or two: `proxy set`. */
  readonly name: string;
  /** What it does: a sentence without its full stop. */
  readonly summary: string;
  /** The rest: paragraphs, with an empty line between them. */
  readonly description?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  /** At least one. */
  readonly examples: readonly [ExampleSpec, ...ExampleSpec[]];
  /** Exit codes whose meaning here is more than their general one (errors.ts), and others. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  readonly json?: JsonSpec;
  readonly run: () => Promise<{ readonly run: CommandRun }>;
}
