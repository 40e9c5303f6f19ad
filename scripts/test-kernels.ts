/**
 * Runs the demo, and the tests that touch the kernel, on other kernels than the running one, under QEMU:
 * `npm run test:kernels -- [--subset] [6.1 6.12]`. It takes half an hour a kernel; the subset takes some minutes for both.
 * Others than Debian's own release has come from others of its releases: `KM_EXTRA_SUITES='bullseye bullseye-security' npm run test:kernels -- 5.10`.
 * JavaScript is some ten times slower there, so time limits are long, random programs and repetitions few, and all files share one process, which
 * reads the sources once, transformed beforehand. Of the tests with traffic a core is run: the rest is alike on every kernel, or takes minutes there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bundleMains } from './bundle-mains.ts';

const KERNELS = ['6.1', '6.12'];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RUNNER = fileURLToPath(new URL('run-in-kernel.sh', import.meta.url));
/** Modules that would make links of their own when the first test asks for one. */
const KERNEL_PARAMETERS = 'ifb.numifbs=0 dummy.numdummies=0';
const SECONDS = '7200';

/** What runs on a kernel. */
interface Selection {
  /** Each a run of the demo, by its options. */
  readonly demos: readonly string[];
  readonly files: readonly string[];
  /** Of these groups of tests only some run: expressions that match what follows the group's name. */
  readonly only: Readonly<Record<string, readonly string[]>>;
  /** Names of tests that do not run, as expressions. */
  readonly without: readonly string[];
}

function tests(directory: string, ...nouns: readonly string[]): readonly string[] {
  return nouns.map((noun) => `${directory}/${noun}.test.ts`);
}

const REDIRECT = 'packages/ambient-redirect/src';

const MESH = 'traffic of a mesh';
const ENROLMENT = 'pods that are enrolled and unenrolled while they have connections';
const PROXY = 'a mesh whose proxy is another by now';
const ENGINE = 'an engine that comes and goes';
const CRASH = 'an engine that is killed';

/** What connections meet, and nothing that takes a minute. */
const CORE = [
  'all is as it is wanted',
  'outbound: ',
  'inbound: ',
  'a pod to a pod: ',
  'LAB 2 #6: probes',
  'refused: ',
  'LAB 2 #10: UDP',
  'teardown ',
];

/** What the kernel has no part in. */
const ALIKE = ['.* in the interpreter', 'random programs have '];

/** What takes minutes: children with a Node of their own, and hundreds of calls of bpftool, are left out. */
function subset(hasTcx: boolean): Selection {
  const [attach, steer] = hasTcx ? ['tcx', 'sk_lookup'] : ['clsact', 'tproxy'];
  const way = `${attach}, ${steer}`;
  return {
    demos: [''],
    files: [
      ...tests('packages/netlink-tc/src/bpf', 'attach', 'link', 'map', 'probe', 'program-load', 'ring-buffer'),
      ...tests('packages/netlink-tc/src', 'netns/netns', 'rtnl/link', 'tc/attach', 'tc/qdisc'),
      ...tests('test', 'kernel', 'redirect/clsact', 'redirect/tcx'),
      ...tests('test/lifecycle', 'churn'),
    ],
    only: {
      [MESH]: CORE.map((row) => `${way}, routed ${row}`),
      [ENROLMENT]: [`${attach}, sk_lookup .*client.*server`],
    },
    without: [...ALIKE, '.* the verifier.s limits', '.* a process that cannot come back'],
  };
}

const ALL: Selection = {
  demos: ['', '--attach=clsact --steer=tproxy'],
  files: [
    ...tests('packages/bpf-asm/src/text', 'kernel'),
    ...['bpf', 'diag', 'netlink', 'netns', 'process', 'rtnl', 'sys', 'tc'].map(
      (part) => `packages/netlink-tc/src/${part}/`,
    ),
    ...tests('test', 'kernel', 'xlated'),
    ...tests(`${REDIRECT}/engine`, 'directory', 'engine', 'hook', 'listeners', 'netkit', 'proxy-side', 'records'),
    ...tests(`${REDIRECT}/programs`, 'app-inbound', 'app-outbound', 'host-in', 'variants'),
    ...tests('test/redirect', 'clsact', 'dns', 'tcx'),
    ...tests('test/lifecycle', 'churn', 'proxy', 'restart'),
    ...tests('test/neighbours', 'crash', 'neighbours'),
  ],
  only: {
    [MESH]: [
      ...CORE,
      '16 MB both ways, pod to the outside',
      'LAB 2 #7: ',
      '64 MB both ways',
      'half-close: ',
      'SPIKES 0.1: unreachable',
      'LAB 2 #4, ',
      'programs are exchanged ',
    ].map((row) => `.*, routed ${row}`),
    DNS: ['.*, capture true a pod asks over '],
    [ENROLMENT]: ['.*, sk_lookup the first time', '.*, sk_lookup .*client.*server'],
    [PROXY]: ['.*, sk_lookup '],
    [ENGINE]: ['.*, sk_lookup '],
    // vitest puts quotes round what it fills in.
    [CRASH]: ['.*, .(enroll|unenroll).: '],
    'neighbours on the hooks of a pod': ['.*, filters and programs of others made .before. '],
  },
  without: ALIKE,
};

/** What other machines do alike, or do not need: repetitions, connections at a time, and haste. */
const ENVIRONMENT = {
  CI: 'true',
  RUNS: '100',
  AMBIENT_CYCLES: '1',
  AMBIENT_CRASHES: '1',
  AMBIENT_WORKERS: '2',
  AMBIENT_SLOWNESS: '10',
  // Where this machine's own temporary files do not come and go.
  TMPDIR: '/run',
};

const DEMO = `${REDIRECT}/demo/main.js`;

function pattern({ only, without }: Selection): string {
  const groups = Object.entries(only).map(([group, rows]) => `${group} (?!${rows.join('|')})`);
  return `^(?!${[...without, ...groups].join('|')})`;
}

function vitest(files: readonly string[], ...options: readonly string[]): readonly string[] {
  const shared = ['--no-file-parallelism', '--no-isolate', '--experimental.fsModuleCache'];
  return ['node_modules/vitest/vitest.mjs', 'run', ...shared, ...options, ...files];
}

/** Words for a shell. */
const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');

/** Runs a command, and puts a word before each line that it prints. @returns its exit code */
async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv, word: string): Promise<number> {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => console.log(`${word} ${line}`));
  const [code] = (await ended) as [number | null];
  return code ?? 1;
}

const isSubset = process.argv.includes('--subset');
const chosen = process.argv.slice(2).filter((word) => word !== '--subset');
const kernels = chosen.length > 0 ? chosen : KERNELS;
const bundles = join(ROOT, 'node_modules/.ambient-mains');
await bundleMains(bundles);

function selectionOf(kernel: string): Selection {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  return isSubset ? subset(major > 6 || (major === 6 && minor >= 6)) : ALL;
}

/** One script for one boot: the demos, then the tests, all of them whatever fails. */
function scriptOf(selection: Selection): string {
  const limits = ['--testTimeout=300000', '--hookTimeout=300000'];
  return [
    'failed=0',
    ...selection.demos.map((options) => `${process.execPath} ${join(bundles, DEMO)} ${options} || failed=1`),
    `${quoted([process.execPath, ...vitest(selection.files, ...limits, `--testNamePattern=${pattern(selection)}`)])} || failed=1`,
    'exit $failed',
  ].join('\n');
}

// Leaves all sources transformed, and the programs of some tests compiled, where the guests find them: both takes them ten times as long.
const files = [...new Set(kernels.flatMap((kernel) => selectionOf(kernel).files))];
const some = `^${ENROLMENT} tcx, sk_lookup .*client.*server`;
spawnSync(process.execPath, vitest(files, `--testNamePattern=${some}`), {
  cwd: ROOT,
  env: { ...process.env, ...ENVIRONMENT, CI: 'false', AMBIENT_BUNDLES: bundles },
  stdio: 'ignore',
});

const variables = Object.entries({ ...ENVIRONMENT, AMBIENT_BUNDLES: bundles });
const options = ['-t', SECONDS, ...variables.flatMap(([name, value]) => ['-e', `${name}=${value}`])];
// An emulated machine has little use for a second processor: all of them at once.
const codes = await Promise.all(
  kernels.map((kernel) => {
    const args = [...options, kernel, '--', '/bin/sh', '-c', scriptOf(selectionOf(kernel))];
    return run(RUNNER, args, { ...process.env, KM_APPEND: KERNEL_PARAMETERS }, `${kernel} |`);
  }),
);
const failed = kernels.filter((_, index) => codes[index] !== 0);
console.log(failed.length === 0 ? `passed on Linux ${kernels.join(', ')}` : `failed on Linux ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
