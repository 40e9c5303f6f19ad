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
  'test/kernel.test.ts',
];
const TESTS = [
  'packages/bpf-asm/src/text/kernel.test.ts',
  'packages/netlink-tc/src/bpf',
  'packages/netlink-tc/src/sys',
  'test/kernel.test.ts',
  'test/xlated.test.ts',
];
const ENVIRONMENT = { CI: 'true', RUNS: '100' };

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
  return spawnSync(runner, ['-t', '1200', ...variables, kernel, '--', ...command], { stdio: 'inherit' }).status !== 0;
});
if (failed.length > 0) console.error(`failed on Linux ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
