/**
 * Loading and pinning the redirect's pieces against `bpftool prog loadall` of their C twins. As root, where clang and bpftool are.
 * As whole processes: one of Node's that compiles all pieces, loads and pins them (from one bundled file, as an application would be
 * installed), and one of bpftool's for each object, which clang compiled before, outside the time. Warm: inside a process that has done
 * it before, against bpftool less what it takes to start. Time of day, medians.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from 'bpf-asm';
import { ensureBpffs, loadProgram, openSys, pin, type Sys } from 'netlink-tc';
import { PIECES } from '../packages/bpf-asm/src/lang/pieces/all.ts';

/** The pieces, and what their twins are compiled with. */
const TWINS: Readonly<Record<string, readonly [file: string, ...flags: string[]]>> = {
  app_outbound_dual: ['app_outbound', '-DDUAL'],
  app_inbound_dual: ['app_inbound', '-DDUAL'],
  host_in_dual: ['host_in', '-DDUAL'],
  steer_dual: ['steer', '-DDUAL'],
  tproxy_dual: ['tproxy', '-DDUAL'],
};
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

function compileAll(): Program[] {
  return Object.keys(TWINS).map((name) => {
    const program = PIECES[name]?.();
    if (program === undefined) throw new Error(`there is no piece ${name}`);
    return program;
  });
}

/** Loads and pins programs, each as a file in `directory`. */
function loadAll(sys: Sys, programs: readonly Program[], directory: string): void {
  programs.forEach((program, i) => {
    using loaded = loadProgram(sys, program);
    pin(sys, loaded, join(directory, `p${i}`));
  });
}

/** This file and all that it imports as one file of JavaScript; koffi is found from where it lies. */
async function bundle(): Promise<string> {
  const { build } = await import('tsup');
  const outDir = join(import.meta.dirname, '../node_modules/.cache/bench-load');
  const esbuildOptions = (options: { conditions?: string[] }): void => {
    options.conditions = ['@ambient/source'];
  };
  await build({
    entry: { load: import.meta.filename },
    outDir,
    format: 'esm',
    target: 'node20',
    external: ['koffi', 'ffi-rs', 'tsup'],
    noExternal: ['bpf-asm', 'netlink-tc', /^@noble/],
    silent: true,
    config: false,
    esbuildOptions,
  });
  return join(outDir, readdirSync(outDir).find((name) => name.startsWith('load.')) ?? 'load.js');
}

function compileTwins(directory: string): string[] {
  const include = `-I/usr/include/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`;
  return Object.entries(TWINS).map(([name, [file, ...flags]]) => {
    const object = join(directory, `${name}.o`);
    const source = join(import.meta.dirname, 'c', `${file}.c`);
    execFileSync('clang', ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', include, ...flags, '-c', source, '-o', object]);
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
      execFileSync('bpftool', words, { env: { ...process.env, PATH }, stdio: ['ignore', 'ignore', 'inherit'] });
    const theirs = rounds(
      () => files.forEach((file, i) => bpftool('prog', 'loadall', file, join(pins, `o${i}`))),
      clean,
    );
    const start = rounds(() => files.forEach(() => bpftool('version')), clean);
    const child = [await bundle(), pins];
    const ours = rounds(() => execFileSync(process.execPath, child, { stdio: 'inherit' }), clean);
    const bare = rounds(() => execFileSync(process.execPath, ['-e', '0']), clean);
    const programs = compileAll();
    loadAll(sys, programs, pins);
    clean();
    const warm = rounds(() => loadAll(sys, programs, pins), clean);
    const withCompiling = rounds(() => loadAll(sys, compileAll(), pins), clean);
    const line = (what: string, node: number, tool: number): void =>
      console.log(
        `load and pin ${files.length} programs, ${what}: ${node.toFixed(1)} ms, bpftool ${tool.toFixed(1)} ms, ratio ${(node / tool).toFixed(2)}`,
      );
    line('as whole processes', ours, theirs);
    line('warm', warm, theirs - start);
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
const [, , pins] = process.argv;
if (pins !== undefined) loadAll(await openSys(), compileAll(), pins);
else if (missing.length > 0) console.log(`load and pin: not measured, for want of ${missing.join(', ')}`);
else await measure(await openSys());
