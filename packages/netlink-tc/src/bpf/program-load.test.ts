import {
  add64,
  call,
  callLocal,
  exit,
  func,
  jeq,
  jlt,
  label,
  ldMap,
  ldMapValue,
  ldxb,
  ldxdw,
  ldxw,
  mov64,
  stdw,
  u64,
  u32,
} from 'bpf-asm';
import { Session } from 'node:inspector';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { isNetlinkTcError, type NetlinkTcError } from '../error.ts';
import { loadProgram } from './program-load.ts';
import { createMap } from './map-create.ts';
import { benchmarkProgram, testRun } from './test-run.ts';

const counter = {
  name: 'counter',
  type: 'array',
  keySize: 4,
  valueSize: 8,
  maxEntries: 1,
  key: u32,
  value: u64,
} as const;
const at = (line: number, text: string): { file: string; line: number; column: number; text: string } => ({
  file: 'src/programs/app-outbound.ts',
  line,
  column: 3,
  text,
});

function refused(body: () => unknown): NetlinkTcError {
  try {
    body();
  } catch (error) {
    if (isNetlinkTcError(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describeWith([root], 'programs', () => {
  test('run, with their data and their map', async () => {
    const sys = await testSys();
    const program = programOf(
      [ldMapValue('r1', 'counter'), ldxdw('r2', 'r1', 0), add64('r2', 5), stdw('r1', 0, 'r2'), mov64('r0', 7), exit()],
      { maps: [counter] },
    );
    const loaded = closing(loadProgram(sys, program));
    const run = testRun(sys, loaded, { data: new Uint8Array(20).fill(1) });
    expect(run.result).toBe(7);
    expect(run.data).toEqual(new Uint8Array(20).fill(1));
    expect(loaded.maps.get('counter')?.lookup(0 as never)).toBe(5n);
    expect(run.nanoseconds).toBeGreaterThanOrEqual(0);
  });

  test('use the maps that are given, and leave them open', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, counter));
    const program = programOf([ldMapValue('r1', 'counter'), stdw('r1', 0, 9), mov64('r0', 0), exit()], {
      maps: [counter],
    });
    const loaded = loadProgram(sys, program, { maps: { counter: map } });
    testRun(sys, loaded);
    loaded.close();
    loaded.close();
    expect(map.lookup(0)).toBe(9n);
  });

  test('have functions', async () => {
    const sys = await testSys();
    const items = [
      func('main'),
      mov64('r1', 4),
      callLocal('twice'),
      exit(),
      func('twice'),
      mov64('r0', 'r1'),
      add64('r0', 'r1'),
      exit(),
    ];
    expect(testRun(sys, closing(loadProgram(sys, programOf(items)))).result).toBe(8);
  });

  test('the verifier names the line that wrote the refused instruction, and what to do', async () => {
    const sys = await testSys();
    const items = [
      { ...ldxw('r2', 'r1', 76), source: at(12, 'const data = ctx.data') },
      { ...ldxb('r0', 'r2', 12), source: at(17, 'b.when(eth.type.eq(0x0800))') },
      exit(),
    ];
    const error = refused(() => loadProgram(sys, programOf(items)));
    expect(error).toMatchObject({ code: 'ERR_VERIFIER', errno: 13, syscall: 'bpf(BPF_PROG_LOAD)' });
    expect(error.verifier).toMatchObject({ instruction: 1, truncated: false, source: { line: 17 } });
    expect(error.verifier?.summary).toContain('invalid access to packet');
    expect(error.message).toContain('app-outbound.ts:17 (b.when(eth.type.eq(0x0800)))');
    expect(error.hint).toContain('compare with data_end');
    expect(error.kernelMessage).toContain('processed');
  });

  test('a line whose text nobody gave is read from its file', async () => {
    const sys = await testSys();
    const source = { file: import.meta.filename, line: 1, column: 1 };
    const error = refused(() => loadProgram(sys, programOf([{ ...exit(), source }])));
    expect(error.message).toContain('program-load.test.ts:1 (import {)');
    expect(error.kernelMessage).toMatch(/^; import \{/m);
    const nowhere = { file: '/nonexistent/program.ts', line: 7, column: 1 };
    expect(refused(() => loadProgram(sys, programOf([{ ...exit(), source: nowhere }]))).message).toContain(
      'program.ts:7: R0 !read_ok',
    );
  });

  test('a log of more than the first buffer is read whole', async () => {
    const sys = await testSys();
    const branches = Array.from({ length: 40 }, (_, i) => [
      jeq('r6', i, `l${i}`),
      add64('r7', 1),
      label(`l${i}`),
    ]).flat();
    const items = [ldxw('r6', 'r1', 0), mov64('r7', 0), ...branches, mov64('r0', 'r9'), exit()];
    const small = refused(() => loadProgram(sys, programOf(items), { log: 256 }));
    expect(small.verifier).toMatchObject({ truncated: false, summary: 'R9 !read_ok' });
    expect(small.kernelMessage?.length).toBeGreaterThan(1000);
    expect(refused(() => loadProgram(sys, programOf(items), { log: 'never' })).verifier).toBeUndefined();
  });

  test("at the verifier's limits the error says which, and what to do, without a log of a million lines", async () => {
    const sys = await testSys();
    const rounds = [
      mov64('r6', 0),
      label('again'),
      add64('r6', 1),
      jlt('r6', 900_000, 'again'),
      mov64('r0', 0),
      exit(),
    ];
    const long = refused(() => loadProgram(sys, programOf(rounds)));
    expect(long).toMatchObject({
      code: 'ERR_VERIFIER',
      hint: expect.stringContaining('a million instructions') as string,
    });
    expect(long.verifier).toMatchObject({
      summary: expect.stringMatching(/^BPF program is too large\. Processed 1000001 insn$/) as string,
      instruction: undefined,
      truncated: false,
    });
    expect(long.kernelMessage?.length).toBeLessThan(1000);
    const branches = Array.from({ length: 9000 }, (_, i) => jeq('r6', i, 'end'));
    const wide = refused(() =>
      loadProgram(sys, programOf([ldxw('r6', 'r1', 0), ...branches, label('end'), mov64('r0', 0), exit()])),
    );
    expect(wide.verifier?.summary).toBe('The sequence of 8193 jumps is too complex.');
    expect(wide.hint).toContain('8192 branches');
  });

  test('a profiler, which sends signals all the time, does not keep a large program from being verified', async () => {
    const sys = await testSys();
    const profiler = new Session();
    profiler.connect();
    onTestFinished(() => profiler.disconnect());
    profiler.post('Profiler.enable');
    profiler.post('Profiler.setSamplingInterval', { interval: 100 });
    profiler.post('Profiler.start');
    const rounds = [
      mov64('r6', 0),
      label('again'),
      add64('r6', 1),
      jlt('r6', 100_000, 'again'),
      mov64('r0', 0),
      exit(),
    ];
    const loaded = loadProgram(sys, programOf(rounds));
    expect(loaded.fd).toBeGreaterThan(2);
    loaded.close();
    profiler.post('Profiler.stop');
  });

  test('a helper for GPL programs is refused by its licence', async () => {
    const sys = await testSys();
    const printk = [
      mov64('r1', 'r10'),
      add64('r1', -8),
      stdw('r1', 0, 0),
      mov64('r2', 8),
      call(6),
      mov64('r0', 0),
      exit(),
    ];
    expect(refused(() => loadProgram(sys, programOf(printk))).hint).toContain('change the licence');
    closing(loadProgram(sys, programOf(printk, { licence: 'GPL' })));
  });

  test('a map that is neither given nor defined, and a type that is not', async () => {
    const sys = await testSys();
    expect(() => loadProgram(sys, programOf([ldMap('r1', 'nowhere'), mov64('r0', 0), exit()]))).toThrow(
      /no map "nowhere"/,
    );
    const odd = programOf([mov64('r0', 0), exit()], { type: 'no_such' as 'xdp' });
    expect(refused(() => loadProgram(sys, odd)).code).toBe('ERR_INVALID_ARGUMENT');
  });

  test('what cannot be run is explained', async () => {
    const sys = await testSys();
    const loaded = closing(loadProgram(sys, programOf([mov64('r0', 0), exit()])));
    expect(refused(() => testRun(sys, loaded, { data: new Uint8Array(3) })).hint).toContain('at least 14 bytes');
    expect(refused(() => testRun(sys, loaded, { repeat: 0 })).code).toBe('ERR_INVALID_ARGUMENT');
    const { fastest, median, slowest } = benchmarkProgram(sys, loaded, { rounds: 3, repeat: 1000 });
    expect(fastest <= median && median <= slowest).toBe(true);
  });

  test('a context goes in and comes out', async () => {
    const sys = await testSys();
    const loaded = closing(loadProgram(sys, programOf([ldxw('r0', 'r1', 8), exit()])));
    const context = new Uint8Array(192);
    context[8] = 42; // mark
    expect(testRun(sys, loaded, { context })).toMatchObject({ result: 42 });
  });
});
