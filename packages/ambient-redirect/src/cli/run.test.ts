import { readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { call, COMMAND, spawnCommand } from '../../test/command.ts';
import { AmbientRedirectError } from '../error.ts';
import type { Arguments } from './arguments.ts';
import { COMMANDS, COMMAND_GROUPS } from './commands/index.ts';
import { exitCodeOf, tellError } from './errors.ts';
import { createProgram } from './program.ts';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

describe('what is not understood', () => {
  test.each([
    [['frob'], "unknown command 'frob'", 'ambient-redirect --help'],
    [['complet'], "unknown command 'complet'; did you mean completion?", 'ambient-redirect --help'],
    [['proxy', 'sett'], "unknown command 'sett'; did you mean set?", 'ambient-redirect proxy --help'],
    [['completion'], "missing required argument 'SHELL'", 'ambient-redirect completion --help'],
    [['completion', 'tcsh'], 'Allowed choices are bash, zsh, fish', 'ambient-redirect completion --help'],
    [
      ['completion', 'bash', '--jso'],
      "unknown option '--jso'; did you mean --json?",
      'ambient-redirect completion --help',
    ],
    [['completion', 'bash', 'zsh'], 'too many arguments', 'ambient-redirect completion --help'],
  ])('%j', async (args, words, help) => {
    const { code, out, err } = await call(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^ambient-redirect: [^\n]*\n$/);
    expect(err).toContain(words);
    expect(err).toContain(`Try: ${help}`);
  });

  test('as JSON', async () => {
    const { code, err } = await call(['completion', 'bash', '--json', '--frob']);
    expect(code).toBe(2);
    expect(JSON.parse(err)).toEqual({
      error: { code: 'ERR_USAGE', message: "unknown option '--frob'", hint: 'Try: ambient-redirect completion --help' },
    });
  });

  test('no command at all: the help, as an error', async () => {
    const { code, out, err } = await call([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^Usage: ambient-redirect/);
  });
});

test('--version and --help', async () => {
  expect(await call(['--version'])).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
  const { code, out } = await call(['--help']);
  expect(code).toBe(0);
  for (const { name } of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name.split(' ')[0] ?? ''} `, 'm'));
});

test('commands of two words have a group, and groups have commands', () => {
  const groups = COMMANDS.map(({ name }) => name.split(' ')).filter(({ length }) => length === 2);
  for (const [first = ''] of groups) expect(Object.keys(COMMAND_GROUPS)).toContain(first);
  expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length);
});

test.each(COMMANDS)('$name --help has its examples', async ({ name, examples, options }) => {
  const { code, out, err } = await call([...name.split(' '), '--help']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const { line } of examples) expect(out).toContain(line);
  for (const option of options) expect(out).toContain(`--${option.name}`);
});

/** The words of the call in an example, as a shell would split them. */
function wordsOf(line: string): readonly string[] {
  const typed = /ambient-redirect ([^|>)]*)/.exec(line)?.[1] ?? '';
  return [...typed.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

const examples = COMMANDS.flatMap(({ name, examples: all }) => all.map(({ line }) => [name, line] as const));

test.each(examples)('an example of %s is understood: %s', async (name, line) => {
  const understood: string[] = [];
  const output = { print: () => undefined, complain: () => undefined, columns: 80 };
  const program = createProgram(COMMANDS, {
    version: '0',
    output,
    execute: async (spec) => void understood.push(spec.name),
  });
  await program.parseAsync([...wordsOf(line)], { from: 'user' });
  expect(understood).toEqual([name]);
});

test.each([
  [[], undefined],
  [['--stats'], 1],
  [['--stats', '--json'], 1],
  [['--stats', '2.5', '--json'], 2.5],
  [['--stats=3'], 3],
])('status %j measures for %s seconds', async (args, seconds) => {
  let found: number | undefined;
  const output = { print: () => undefined, complain: () => undefined, columns: 80 };
  const execute = async (_: unknown, given: Arguments): Promise<void> => void (found = given.number('stats'));
  await createProgram(COMMANDS, { version: '0', output, execute }).parseAsync(['status', ...args], { from: 'user' });
  expect(found).toBe(seconds);
});

describe('errors', () => {
  test('the hint is told once, and apart', () => {
    const error = new AmbientRedirectError('ERR_LOCKED', 'someone has it', { hint: 'stop it' });
    expect(tellError(error)).toEqual({ code: 'ERR_LOCKED', message: 'someone has it', hint: 'stop it' });
    expect(exitCodeOf(error)).toBe(1);
  });

  test('a missing privilege says which there are', () => {
    const error = Object.assign(new Error('bpf: EPERM'), { code: 'ERR_PERMISSION' });
    expect(tellError(error).hint).toContain('CAP_BPF');
    expect(exitCodeOf(error)).toBe(77);
    const of = new AmbientRedirectError('ERR_ENROLMENT', 'none', {
      failures: [
        { id: 'a', error },
        { id: 'b', error },
      ],
    });
    expect(exitCodeOf(of)).toBe(77);
    expect(tellError(of).failures?.map(({ id, error: told }) => [id, told.code])).toEqual([
      ['a', 'ERR_PERMISSION'],
      ['b', 'ERR_PERMISSION'],
    ]);
  });

  test('a fault of the command says where it is', () => {
    const told = tellError(new TypeError('x is not a function'));
    expect(told).toMatchObject({ code: 'ERR_INTERNAL', hint: expect.stringContaining('report') as string });
    expect(told.message).toContain('run.test.ts');
  });
});

describe('as a process', () => {
  test('the exit code is that of the command', () => {
    expect(spawnCommand(['--version'])).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
    expect(spawnCommand(['frob'])).toMatchObject({ code: 2, out: '' });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends it in good order', async (signal, exitCode) => {
    const [file, ...before] = COMMAND;
    const child = spawn(file, [...before, 'enroll', '--file', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    // More than a pipe holds: once it is gone, the command reads.
    const line = `# ${'x'.repeat(1 << 20)}\n`;
    await new Promise((resolve) => child.stdin.write(line, resolve));
    child.kill(signal);
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, err }).toEqual({ code: exitCode, err: `ambient-redirect: stopped by ${signal}\n` });
  });

  test('a reader that goes away is the end, and no failure', async () => {
    const [file, ...before] = COMMAND;
    const child = spawn(file, [...before, 'completion', 'bash'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });
});
