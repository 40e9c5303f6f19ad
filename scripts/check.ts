/**
 * `npm run check`: every check that is not a test, one after the other. What fails prints its output; all of them run.
 */
import { spawnSync } from 'node:child_process';

const CHECKS = [
  'types',
  'check:portable',
  'lint',
  'check:format',
  'check:imports',
  'check:text',
  'check:generated',
  'check:unused',
  'check:docs',
  'check:packages',
] as const;

let failed = 0;
for (const check of CHECKS) {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', check], { encoding: 'utf8' });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${check.padEnd(16)} ${seconds.padStart(5)} s`);
  if (status === 0) continue;
  failed += 1;
  console.log(`${stdout}${stderr}`);
}
console.log(failed === 0 ? 'all checks passed' : `${failed} of ${CHECKS.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
