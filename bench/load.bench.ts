/**
 * Loading and pinning the redirect's pieces against `bpftool prog loadall` of their C twins. As root, where clang and bpftool are.
 * As whole processes: one of Node's that loads and pins all pieces (from one bundled file, as an application would be installed), compiled
 * before or in it, and one of bpftool's for each object, which clang compiled before, outside the time. Warm: inside a process that has done
 * it before, against bpftool less what it takes to start. Time of day, medians; no process gets more of the environment than PATH.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeObject } from 'bpf-asm';
import { ensureBpffs, openSys, type Sys } from 'netlink-tc';
import { compileAll, DUAL, loadAll } from './load-child.ts';

const BPFFS = '/sys/fs/bpf';
const ROUNDS = 9;
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

/** Milliseconds that each of some rounds took; between them, `clean` undoes it. */
function rounds(work: () => void, clean: () => void): number {
  return median(
    Array.from({ length: ROUNDS }, () => {
      const start = performance.now();
      work();
      const took = performance.now() - start;
      clean();
      return took;
    }),
  );
}

/** The child and all that it imports as one file of JavaScript; koffi is found from where it lies. */
async function bundle(): Promise<string> {
  const { build } = await import('tsup');
  const outDir = join(import.meta.dirname, '../node_modules/.cache/bench-load');
  rmSync(outDir, { recursive: true, force: true });
  const esbuildOptions = (options: { conditions?: string[] }): void => {
    options.conditions = ['@ambient/source'];
  };
  await build({
    entry: { load: join(import.meta.dirname, 'load-child.ts') },
    outDir,
    outExtension: () => ({ js: '.mjs' }),
    format: 'esm',
    target: 'node20',
    external: ['koffi', 'ffi-rs'],
    noExternal: ['bpf-asm', 'netlink-tc', /^@noble/],
    silent: true,
    config: false,
    esbuildOptions,
  });
  return join(outDir, 'load.mjs');
}

function compileTwins(directory: string): string[] {
  const include = `-I/usr/include/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`;
  return DUAL.map((name) => {
    const object = join(directory, `${name}.o`);
    const source = join(import.meta.dirname, 'c', `${name.replace('_dual', '')}.c`);
    const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', include, '-DDUAL'];
    execFileSync('clang', [...flags, '-c', source, '-o', object]);
    return object;
  });
}

async function measure(sys: Sys): Promise<void> {
  const objects = mkdtempSync(join(tmpdir(), 'bench-load-'));
  ensureBpffs(sys, BPFFS);
  const pins = join(BPFFS, `bench_load_${process.pid}`);
  const clean = (): void => {
    rmSync(pins, { recursive: true, force: true });
    mkdirSync(pins);
  };
  try {
    clean();
    const files = compileTwins(objects);
    const bpftool = (...words: string[]): unknown =>
      execFileSync('bpftool', words, { env: { PATH }, stdio: ['ignore', 'ignore', 'inherit'] });
    const theirs = rounds(
      () => files.forEach((file, i) => bpftool('prog', 'loadall', file, join(pins, `o${i}`))),
      clean,
    );
    const start = rounds(() => files.forEach(() => bpftool('version')), clean);
    const compile = await compileAll();
    const programs = compile();
    const ownFiles = programs.map((program) => {
      const object = join(objects, `${program.name}.own.o`);
      writeFileSync(object, writeObject([program]));
      return object;
    });
    const child = await bundle();
    const node = (...words: string[]): unknown => execFileSync(process.execPath, words, { env: { PATH } });
    const read = rounds(() => node(child, pins, ...ownFiles), clean);
    const compiled = rounds(() => node(child, pins), clean);
    const bare = rounds(() => node('-e', '0'), clean);
    loadAll(sys, programs, pins);
    clean();
    const warm = rounds(() => loadAll(sys, programs, pins), clean);
    const withCompiling = rounds(() => loadAll(sys, compile(), pins), clean);
    const line = (what: string, ours: number, tool: number): void =>
      console.log(
        `load and pin ${files.length} programs, ${what}: ${ours.toFixed(1)} ms, bpftool ${tool.toFixed(1)} ms, ratio ${(ours / tool).toFixed(2)}`,
      );
    line('as whole processes, compiled before', read, theirs);
    line('as whole processes, compiling included', compiled, theirs);
    line('warm, compiled before', warm, theirs - start);
    line('warm, compiling included', withCompiling, theirs - start);
    console.log(
      `(starting Node alone takes ${bare.toFixed(1)} ms, starting bpftool ${files.length} times ${start.toFixed(1)} ms)`,
    );
  } finally {
    rmSync(objects, { recursive: true });
    rmSync(pins, { recursive: true, force: true });
  }
}

const missing = [
  ...(process.getuid?.() === 0 ? [] : ['root']),
  ...['clang', 'bpftool'].filter((command) => spawnSync(command, ['version'], { env: { PATH } }).error !== undefined),
];
if (missing.length > 0) console.log(`load and pin: not measured, for want of ${missing.join(', ')}`);
else await measure(await openSys());
