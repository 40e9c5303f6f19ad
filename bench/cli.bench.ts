/**
 * Starting the built command against starting node with nothing to do: what the command adds is what it can be blamed for. They take turns, so
 * that a busy machine disturbs both alike; medians are told.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROUNDS = 21;
const COMMAND = fileURLToPath(new URL('../packages/ambient-redirect/bin/ambient-redirect.js', import.meta.url));

const CALLS: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  '--version': [COMMAND, '--version'],
  '--help': [COMMAND, '--help'],
  'completion bash': [COMMAND, 'completion', 'bash'],
};

/** Milliseconds from the start of a process to its end. */
function measure(args: readonly string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [...args], { encoding: 'utf8' });
  const took = performance.now() - start;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return took;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

if (!existsSync(new URL('../packages/ambient-redirect/dist/cli/main.js', import.meta.url)))
  throw new Error('the command is not built: npm run build');
const costs = new Map(Object.keys(CALLS).map((name) => [name, [] as number[]]));
for (let round = 0; round < ROUNDS; round += 1)
  for (const [name, args] of Object.entries(CALLS)) costs.get(name)?.push(measure(args));
const floor = median(costs.get('node -e 0') ?? []);
for (const [name, all] of costs) {
  const took = median(all);
  console.log(`start, ${name}: ${took.toFixed(0)} ms, ratio ${(took / floor).toFixed(2)} to node -e 0`);
}
