import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { AmbientRedirectError } from '../error.ts';
import type { CommandIo } from './command-spec.ts';
import { Output, toJson } from './output.ts';

interface Sink {
  text: string;
  readonly isTTY: boolean;
  write(text: string | Uint8Array): void;
}

function sink(isTTY: boolean): Sink {
  return {
    text: '',
    isTTY,
    write(text) {
      this.text += String(text);
    },
  };
}

function outputWith({
  isTTY = false,
  env = {},
  json = false,
  quiet = false,
}: {
  readonly isTTY?: boolean;
  readonly env?: CommandIo['env'];
  readonly json?: boolean;
  readonly quiet?: boolean;
}): { readonly output: Output; readonly out: Sink; readonly err: Sink } {
  const [out, err] = [sink(isTTY), sink(isTTY)];
  const io: CommandIo = {
    stdin: new PassThrough(),
    stdout: out,
    stderr: err,
    env,
    signal: new AbortController().signal,
  };
  return { output: new Output(io, { json, quiet }), out, err };
}

const RED = '\u001B[31mtext\u001B[39m';

test.each([
  [{ isTTY: true }, RED],
  [{ isTTY: false }, 'text'],
  [{ isTTY: true, env: { NO_COLOR: '1' } }, 'text'],
  [{ isTTY: true, env: { NO_COLOR: '' } }, RED],
  [{ isTTY: false, env: { FORCE_COLOR: '1' } }, RED],
  [{ isTTY: true, env: { FORCE_COLOR: '0' } }, 'text'],
  [{ isTTY: false, env: { FORCE_COLOR: '1', NO_COLOR: '1' } }, 'text'],
])('colours with %j', (how, painted) => {
  expect(outputWith(how).output.paint('red', 'text')).toBe(painted);
});

describe('tables', () => {
  test('columns of numbers to the right, and nothing at the ends of lines', () => {
    const rows = [
      ['POD', 'PACKETS', 'WHAT'],
      ['a', '5', 'x'],
      ['bcd', '1,234', ''],
    ];
    expect(outputWith({}).output.table(rows)).toBe('POD  PACKETS  WHAT\na          5  x\nbcd    1,234');
  });

  test('colours take no room', () => {
    const rows = [
      ['A', 'B'],
      [{ text: 'up', paint: 'green' as const }, 'x'],
      ['down', 'y'],
    ];
    const plain = outputWith({}).output.table(rows);
    expect(plain).toBe('A     B\nup    x\ndown  y');
    const coloured = outputWith({ isTTY: true }).output.table(rows);
    expect(coloured).toContain('\u001B[32mup\u001B[39m    x');
    expect(outputWith({}).output.table([['HEAD']])).toBe('HEAD');
  });
});

test('results go to one stream, the rest to the other', () => {
  const loud = outputWith({});
  loud.output.result({ a: 1 }, () => 'one');
  loud.output.note('progress');
  loud.output.warn('careful');
  expect([loud.out.text, loud.err.text]).toEqual(['one\n', 'progress\nwarning: careful\n']);
  const quiet = outputWith({ quiet: true, json: true });
  quiet.output.result({ a: 1n }, () => 'one');
  quiet.output.record({ b: 2 }, () => 'two');
  quiet.output.note('progress');
  quiet.output.warn('careful');
  expect([quiet.out.text, quiet.err.text]).toEqual(['{\n  "a": "1"\n}\n{"b":2}\n', 'warning: careful\n']);
});

test('JSON of what it has no word for', () => {
  const error = new AmbientRedirectError('ERR_LOCKED', 'someone has it', { hint: 'stop it' });
  const value = { big: 2n ** 64n, error, map: new Map([['a', 1]]), bytes: Uint8Array.of(1, 255) };
  expect(JSON.parse(toJson(value))).toEqual({
    big: '18446744073709551616',
    error: { code: 'ERR_LOCKED', message: 'someone has it', hint: 'stop it' },
    map: { a: 1 },
    bytes: '01ff',
  });
});
