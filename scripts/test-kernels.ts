/**
 * Runs the tests that touch the kernel on other kernels than the running one, under QEMU: `npm run test:kernels [6.1 6.12]`.
 * JavaScript is some ten times slower there, so time limits are long and random programs few.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const KERNELS = ['6.1', '6.12'];
const TESTS = [
  'packages/netlink-tc/src/bpf',
  'packages/netlink-tc/src/sys',
  'test/kernel.test.ts',
  'test/xlated.test.ts',
];
const ENVIRONMENT = { RUNS: '200' };

const runner = fileURLToPath(new URL('run-in-kernel.sh', import.meta.url));
const vitest = [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--testTimeout=300000',
  '--hookTimeout=300000',
  '--no-file-parallelism',
];

const chosen = process.argv.slice(2);
const failed = (chosen.length > 0 ? chosen : KERNELS).filter((kernel) => {
  const variables = Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const command = [process.execPath, ...vitest, ...TESTS];
  console.log(`\n=== Linux ${kernel}`);
  return spawnSync(runner, ['-t', '1200', ...variables, kernel, '--', ...command], { stdio: 'inherit' }).status !== 0;
});
if (failed.length > 0) console.error(`failed on Linux ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
