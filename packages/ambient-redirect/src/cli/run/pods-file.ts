import { readFileSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { parsePods } from '../../config/index.ts';
import type { PodRequest } from '../../engine/index.ts';
import type { CommandIo } from '../command-spec.ts';
import { CliError } from '../errors.ts';

/** The pods of a file; of the standard input where it is called `-`. */
export async function readPods(file: string, { stdin, signal }: CommandIo): Promise<readonly PodRequest[]> {
  if (file !== '-') return parsePods(readText(file), file);
  const parts: Buffer[] = [];
  try {
    for await (const part of addAbortSignal(signal, stdin) as AsyncIterable<Buffer | string>)
      parts.push(Buffer.from(part));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return parsePods(Buffer.concat(parts).toString('utf8'), 'standard input');
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CliError(`${file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
