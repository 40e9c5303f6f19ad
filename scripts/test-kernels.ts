/**
 * Runs the demo, and the tests that touch the kernel, on other kernels than the running one, under QEMU:
 * `npm run test:kernels -- [--subset] [6.1 6.12]`.
 * JavaScript is some ten times slower there, so time limits are long, random programs few, and all files share one process, which reads
 * the sources once. The subset leaves out what takes minutes: children with a Node of their own, and hundreds of calls of bpftool.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bundleDemo } from './bundle-demo.ts';

const KERNELS = ['6.1', '6.12'];
const SUBSET = [
  ...['attach', 'link', 'map', 'probe', 'program-load', 'ring-buffer'].map(
    (noun) => `packages/netlink-tc/src/bpf/${noun}.test.ts`,
  ),
  ...['netns/netns', 'rtnl/link', 'tc/attach', 'tc/qdisc'].map((noun) => `packages/netlink-tc/src/${noun}.test.ts`),
  'test/kernel.test.ts',
];
const TESTS = [
  'packages/bpf-asm/src/text/kernel.test.ts',
  ...['bpf', 'diag', 'netlink', 'netns', 'process', 'rtnl', 'sys', 'tc'].map(
    (part) => `packages/netlink-tc/src/${part}`,
  ),
  'test/kernel.test.ts',
  'test/xlated.test.ts',
  ...engineTests('directory', 'engine', 'hook', 'listeners', 'netkit', 'proxy-side', 'records'),
  ...['app-inbound', 'app-outbound', 'host-in', 'variants'].map(
    (noun) => `packages/ambient-redirect/src/programs/${noun}.test.ts`,
  ),
];
/** Each a run of the demo, by its options. The first is the subset's. */
const DEMOS = ['', '--attach=clsact --steer=tproxy'];
const ENVIRONMENT = { CI: 'true', RUNS: '100' };

/** Modules that would make links of their own when the first test asks for one. */
const KERNEL_PARAMETERS = 'ifb.numifbs=0 dummy.numdummies=0';

function engineTests(...nouns: readonly string[]): readonly string[] {
  return nouns.map((noun) => `packages/ambient-redirect/src/engine/${noun}.test.ts`);
}

const runner = fileURLToPath(new URL('run-in-kernel.sh', import.meta.url));
const vitest = [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--testTimeout=300000',
  '--hookTimeout=300000',
  '--no-file-parallelism',
  '--no-isolate',
  // What runs in the interpreter is the same on every kernel.
  "--testNamePattern='^(?!.* in the interpreter)'",
];

const isSubset = process.argv.includes('--subset');
const chosen = process.argv.slice(2).filter((word) => word !== '--subset');
const demo = await bundleDemo('node_modules/.ambient-demo');
/** One script for one boot: the demos, then the tests, all of them whatever fails. */
const script = [
  'failed=0',
  ...(isSubset ? DEMOS.slice(0, 1) : DEMOS).map((options) => `${process.execPath} ${demo} ${options} || failed=1`),
  `${process.execPath} ${[...vitest, ...(isSubset ? SUBSET : TESTS)].join(' ')} || failed=1`,
  'exit $failed',
].join('\n');
const failed = (chosen.length > 0 ? chosen : KERNELS).filter((kernel) => {
  const variables = Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  console.log(`\n=== Linux ${kernel}`);
  const options = { stdio: 'inherit', env: { ...process.env, KM_APPEND: KERNEL_PARAMETERS } } as const;
  return spawnSync(runner, ['-t', '3600', ...variables, kernel, '--', '/bin/sh', '-c', script], options).status !== 0;
});
if (failed.length > 0) console.error(`failed on Linux ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
