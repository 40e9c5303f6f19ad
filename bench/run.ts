/**
 * `npm run bench`: every `*.bench.ts` of this directory, or those whose name contains an argument, in a process each.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const wanted = process.argv.slice(2);
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.bench.ts'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .toSorted();

for (const file of files) {
  const { status } = spawnSync(process.execPath, [...process.execArgv, join(import.meta.dirname, file)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
if (files.length === 0) {
  console.error(`no benchmark is called ${wanted.join(' or ')}`);
  process.exitCode = 2;
}
