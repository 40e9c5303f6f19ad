/**
 * Runs the tests that touch the kernel on other kernels than the running one, under QEMU: `npm run test:kernels -- [--subset] [6.1 6.12]`.
 * JavaScript is some ten times slower there, so time limits are long, random programs few, and all files share one process, which reads
 * the sources once. The subset leaves out what takes minutes: children with a Node of their own, and hundreds of calls of bpftool.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

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
];
const ENVIRONMENT = { CI: 'true', RUNS: '100' };

/** Modules that would make links of their own when the first test asks for one. */
const KERNEL_PARAMETERS = 'ifb.numifbs=0 dummy.numdummies=0';

const runner = fileURLToPath(new URL('run-in-kernel.sh', import.meta.url));
const vitest = [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--testTimeout=300000',
  '--hookTimeout=300000',
  '--no-file-parallelism',
  '--no-isolate',
];

const isSubset = process.argv.includes('--subset');
const chosen = process.argv.slice(2).filter((word) => word !== '--subset');
const failed = (chosen.length > 0 ? chosen : KERNELS).filter((kernel) => {
  const variables = Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const command = [process.execPath, ...vitest, ...(isSubset ? SUBSET : TESTS)];
  console.log(`\n=== Linux ${kernel}`);
  const options = { stdio: 'inherit', env: { ...process.env, KM_APPEND: KERNEL_PARAMETERS } } as const;
  return spawnSync(runner, ['-t', '2400', ...variables, kernel, '--', ...command], options).status !== 0;
});
if (failed.length > 0) console.error(`failed on Linux ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
