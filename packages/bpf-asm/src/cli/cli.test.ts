import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mainCommand } from '../../../../test/support/main-command.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { describeConformance } from '../../../../test/support/vectors.ts';
import { assembled, clangObject, COUNT, maps } from '../../test/objects.ts';
import { writeObject } from '../elf/index.ts';
import { run } from './run.ts';

const RETURN_42 = 'b70000002a0000009500000000000000';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command in this process. */
async function call(args: readonly string[], input: string | Uint8Array = ''): Promise<Outcome> {
  let [out, err] = ['', ''];
  const code = await run(args, {
    input: async () => (typeof input === 'string' ? new TextEncoder().encode(input) : input),
    print: (text) => {
      out += text;
    },
    complain: (text) => {
      err += `${text}\n`;
    },
  });
  return { code, out, err };
}

/** Runs the command as a process of its own. */
function spawn(args: readonly string[], input = ''): Outcome {
  const [node, main] = mainCommand(new URL('main.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(node, [main, ...args], { encoding: 'utf8', input });
  return { code: status ?? -1, out: stdout, err: stderr };
}

describe('asm and disasm', () => {
  test('text to hexadecimal and back, in both dialects', async () => {
    expect(await call(['asm', '-'], 'r0 = 42\nexit\n')).toEqual({
      code: 0,
      out: 'b70000002a000000\n9500000000000000\n',
      err: '',
    });
    expect((await call(['asm', '--dialect', 'conformance'], 'mov %r0, 42\nexit')).out).toBe(
      'b70000002a000000\n9500000000000000\n',
    );
    expect((await call(['disasm', '-'], RETURN_42)).out).toBe('   0: (b7) r0 = 42\n   1: (95) exit\n');
    expect((await call(['disasm', '--dialect', 'conformance'], RETURN_42)).out).toBe('mov %r0, 42\nexit\n');
    expect((await call(['asm', '--byte-order', 'big'], 'r1 = 42')).out).toBe('b71000000000002a\n');
  });

  test('files, raw bytes, labels', async () => {
    const directory = tempDir();
    const [text, bytes] = [join(directory, 'a.bpf'), join(directory, 'a.bin')];
    writeFileSync(text, 'if r1 == 0x0 goto out\nr0 = 1\nout:\nexit\n');
    expect(await call(['asm', text, '-o', bytes])).toEqual({ code: 0, out: '', err: '' });
    expect(readFileSync(bytes)).toHaveLength(24);
    expect(readdirSync(directory).sort()).toEqual(['a.bin', 'a.bpf']);
    expect((await call(['asm', text, '-o', '/dev/null'])).code).toBe(0);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    expect((await call(['asm', text, '-o', join(directory, 'absent', 'a.bin')])).code).toBe(1);
    const { out } = await call(['disasm', '--labels', bytes]);
    expect(out).toContain('goto L2');
    // These bytes look like hexadecimal digits, and are instructions that there are not.
    expect((await call(['disasm'], 'b7b7b7b7')).code).toBe(1);
    expect((await call(['disasm', '--raw'], 'b7b7b7b7')).code).toBe(0);
  });

  test('JSON', async () => {
    const { out } = await call(['asm', '--json'], 'r0 = 42\nexit');
    expect(JSON.parse(out)).toMatchObject({
      bytes: RETURN_42,
      instructions: [{ kind: 'alu', source: { line: 1 } }, { kind: 'exit' }],
    });
    expect(JSON.parse((await call(['disasm', '--json'], RETURN_42)).out)).toMatchObject({ bytes: RETURN_42 });
  });
});

describe('run', () => {
  test('prints r0', async () => {
    expect(await call(['run', '-'], RETURN_42)).toEqual({ code: 0, out: '0x2a\n', err: '' });
    const { out } = await call(['asm'], 'r0 = *(u32 *)(r1 +0)\nr0 += r2\n*(u8 *)(r1 +0) = 9\nexit');
    expect((await call(['run', '--mem', '01 00 00 00 ff'], out)).out).toBe('0x6\n');
    expect(JSON.parse((await call(['run', '--json', '--mem', '01000000ff'], out)).out)).toEqual({
      r0: '0x6',
      steps: 4,
      memory: '09000000ff',
    });
  });

  test('traps and endless loops are failures with words', async () => {
    expect(await call(['run'], '6100000000000000')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^bpf-asm: .*r0/) as string,
    });
    expect(await call(['run', '--steps', '100', '--json'], '0500ffff00000000')).toMatchObject({ code: 1 });
    const { err } = await call(['run', '--steps', '100', '--json'], '0500ffff00000000');
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'ERR_STEP_LIMIT' } });
    const outside = await call(['run', '--json', '--mem', 'aabb'], '79100000000000009500000000000000');
    expect(JSON.parse(outside.err)).toMatchObject({
      error: { code: 'ERR_TRAP', instruction: 0, size: 8, address: expect.stringMatching(/^0x/) as string },
    });
  });
});

describe('dump', () => {
  test('of an object', async () => {
    const { code, out } = await call(['dump'], clangObject('filter'));
    expect(code).toBe(0);
    expect(out).toContain('eBPF object, little endian, licence "Dual MIT/GPL"');
    expect(out).toContain('map counters: hash, key 8 bytes, value 8 bytes, 1024 entries, flags 0x1, pinned by name');
    expect(out).toContain('map .rodata: array, key 4 bytes, value 4 bytes, 1 entries, flags 0x80, holds 07000000');
    expect(out).toContain('program count in section tc: sched_cls, ');
    expect(out).toContain('; int count(struct __sk_buff *skb) [file:./filter.c line_num:');
  });

  test('as JSON, and of raw bytes', async () => {
    const object = writeObject([assembled('count', COUNT, { maps })]);
    expect(JSON.parse((await call(['dump', '--json'], object)).out)).toMatchObject({
      format: 'elf',
      byteOrder: 'little',
      licence: 'Apache-2.0',
      programs: [{ name: 'count', section: 'tc', type: 'sched_cls', maps: ['counters', '.data.state'] }],
    });
    expect((await call(['dump'], RETURN_42)).out).toBe('   0: (b7) r0 = 42\n   1: (95) exit\n');
    expect(JSON.parse((await call(['dump', '--json'], RETURN_42)).out)).toMatchObject({ format: 'raw' });
  });

  test('of sections that do not say what they hold', async () => {
    expect(await call(['dump'], clangObject('legacy'))).toMatchObject({ code: 1, out: '' });
    expect((await call(['dump', '--type', 'sched_cls'], clangObject('legacy'))).out).toContain(
      'program from_pod in section from-pod: sched_cls',
    );
  });

  test('disasm and run take a program of an object', async () => {
    const two = [assembled('one', 'r0 = 1\nexit'), assembled('two', 'r0 = 2\nexit')];
    expect((await call(['run', '--program', 'two'], writeObject(two))).out).toBe('0x2\n');
    expect((await call(['disasm'], writeObject(two))).out).toContain('r0 = 1');
    expect(await call(['run', '--program', 'three'], writeObject(two))).toMatchObject({ code: 2 });
  });
});

test('run gives a program of an object its maps, with what they hold', async () => {
  const state = maps.filter(({ name }) => name === 'state');
  const program = assembled('peek', 'r1 = map[state][0]+4\nr0 = *(u32 *)(r1 +0)\nexit', { maps: state });
  const data = new Map([['state', Uint8Array.from({ length: 16 }, (_, index) => index)]]);
  expect(await call(['run'], writeObject([program], { data }))).toEqual({ code: 0, out: '0x7060504\n', err: '' });
});

describe('errors', () => {
  test.each([
    [[], 'which command?'],
    [['frob'], 'there is no command frob'],
    [['asm', '--frob'], "Unknown option '--frob'"],
    [['asm', '--dialect', 'intel'], '--dialect is kernel or conformance, and not intel'],
    [['asm', 'a', 'b'], 'one input is enough'],
    [['run', '--steps', 'many'], '--steps is a number'],
    [['plugin', '00', '--frob'], 'there is no option --frob'],
  ])('%j is not understood', async (args, words) => {
    const { code, out, err } = await call(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`bpf-asm: ${words}`);
    expect(err).toMatch(/\nTry: bpf-asm (\w+ )?--help\n$/);
  });

  test('in a text have their line', async () => {
    const file = join(tempDir(), 'bad.bpf');
    writeFileSync(file, 'r0 = 1\n  frob\n');
    expect(await call(['asm', file])).toMatchObject({ code: 1, out: '' });
    expect((await call(['asm', file])).err).toMatch(new RegExp(`^bpf-asm: ${file}:2:3: expected `));
    expect(JSON.parse((await call(['asm', '--json', file])).err)).toMatchObject({
      error: { code: 'ERR_SYNTAX', file, line: 2, column: 3 },
    });
    // What cannot be encoded has one too.
    expect((await call(['asm'], 'exit\nr1 = map[counters]')).err).toMatch(/^bpf-asm: standard input:2:1: /);
  });

  test('leave no file behind', async () => {
    const file = join(tempDir(), 'out.bin');
    expect((await call(['asm', '-o', file], 'frob')).code).toBe(1);
    expect(() => readFileSync(file)).toThrow('ENOENT');
  });

  test('of files that are not there', async () => {
    expect(JSON.parse((await call(['asm', '--json', '/nowhere'])).err)).toMatchObject({ error: { code: 'ENOENT' } });
  });

  test.each(['zz', 'b7000', '7f454c46'])('input %s', async (input) => {
    expect(await call(['disasm'], Buffer.from(input))).toMatchObject({ code: 1, out: '' });
  });
});

describe('help', () => {
  test.each(['asm', 'disasm', 'run', 'dump', 'plugin'])('of %s, with examples', async (name) => {
    const { code, out } = await call([name, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: bpf-asm ${name} `);
    expect(out).toContain('\nExamples:\n');
    expect((await call(['--help'])).out).toContain(`  ${name}`);
  });
});

/** As the conformance suite's runner writes bytes. */
const spaced = (hex: string): string => hex.replaceAll(/../g, '$&  ');

describeConformance('plugin, on the positive cases of the conformance suite', (all) => {
  const cases = all.filter(({ kind }) => kind === 'positive');

  test('gives the result of each', async () => {
    expect(cases.length).toBeGreaterThan(100);
    for (const { name, insns = '', mem = '', result = '' } of cases) {
      const { code, out } = await call(['plugin', spaced(mem), ''], `${spaced(insns)}\n`);
      expect([name, code, `0x${out}`]).toEqual([name, 0, `0x${BigInt(result).toString(16)}\n`]);
    }
  });
});

describe('plugin', () => {
  test('as a process, with and without memory', () => {
    const first = spaced('71100000000000009500000000000000');
    expect(spawn(['plugin', spaced('2aff'), ''], first).out).toBe('2a\n');
    expect(spawn(['plugin'], RETURN_42).out).toBe('2a\n');
    expect(spawn(['plugin', '', '--jit --debug'], RETURN_42).out).toBe('2a\n');
  });

  test.each([
    ['no program', ['plugin'], ''],
    ['half a byte of memory', ['plugin', 'abc'], RETURN_42],
    ['half a byte of program', ['plugin'], `${RETURN_42}0`],
    ['a program that is no hexadecimal', ['plugin'], 'exit'],
  ] as [string, string[], string][])('%s is a failure with words', async (_, args, input) => {
    expect(await call(args, input)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^bpf-asm: ./) as string,
    });
  });

  test('takes an object file in hexadecimal', async () => {
    const object = Buffer.from(writeObject([assembled('two', 'r0 = 2\nexit')])).toString('hex');
    expect((await call(['plugin', '--elf'], object)).out).toBe('2\n');
  });
});

describe('as a process', () => {
  test('version, exit codes, standard error', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(spawn(['--version'])).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
    expect(spawn(['asm', '-'], 'frob')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('standard input:1:1') as string,
    });
    expect(spawn(['frob'])).toMatchObject({ code: 2, out: '' });
  });

  test('ends quietly when nobody reads on', () => {
    const [node, main] = mainCommand(new URL('main.ts', import.meta.url));
    const command = `yes 'r0 = 1' | head -200000 | "${node}" "${main}" asm - | head -1`;
    const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({ stdout: 'b700000001000000\n', stderr: '' });
  });
});
