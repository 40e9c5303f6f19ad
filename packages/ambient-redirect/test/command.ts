import { Readable } from 'node:stream';
import { spawnSync } from 'node:child_process';
import { mainCommand } from '../../../test/support/main-command.ts';
import type { CommandIo } from '../src/cli/command-spec.ts';
import { run } from '../src/cli/run.ts';

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Options of {@link call}. */
export interface CallOptions {
  /** What it can read. */
  readonly input?: string;
  /** In the place of `input`. */
  readonly stdin?: CommandIo['stdin'];
  readonly signal?: AbortSignal;
  /** Told what is printed to standard error, as it is. */
  readonly onError?: (text: string) => void;
  /** Told what is printed to standard output, as it is. */
  readonly onOutput?: (text: string) => void;
}

/** Runs `ambient-redirect` in this process. */
export async function call(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
  let [out, err] = ['', ''];
  const { input, signal = new AbortController().signal, onError, onOutput } = options;
  const code = await run(args, {
    stdin: options.stdin ?? Readable.from(input === undefined ? [] : [input]),
    stdout: {
      write: (text) => {
        out += textOf(text);
        onOutput?.(textOf(text));
      },
    },
    stderr: {
      write: (text) => {
        err += textOf(text);
        onError?.(textOf(text));
      },
    },
    env: {},
    signal,
  });
  return { code, out, err };
}

/** Bytes as a text of as many characters. */
function textOf(written: string | Uint8Array): string {
  return typeof written === 'string' ? written : Buffer.from(written).toString('latin1');
}

/** How to start `ambient-redirect`. */
export const COMMAND: readonly [string, ...string[]] = mainCommand(new URL('../src/cli/main.ts', import.meta.url));

/** Runs `ambient-redirect` as a process of its own. */
export function spawnCommand(args: readonly string[], options: { readonly uid?: number } = {}): Outcome {
  const [file, ...before] = COMMAND;
  const { status, stdout, stderr } = spawnSync(file, [...before, ...args], { encoding: 'utf8', ...options });
  return { code: status ?? -1, out: stdout, err: stderr };
}
