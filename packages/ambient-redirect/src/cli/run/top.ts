import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineMetrics } from '../../engine/index.ts';
import { ratesOf, VERDICT_MEANING, type Rates } from '../../observe/index.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import { requirePods } from './known-pods.ts';
import { openToLook } from './node.ts';
import { topText } from './top-text.ts';

/** Goes to the first line, and clears what is below (ECMA-48: CUP, ED). */
const HOME = '\u001b[H\u001b[J';

/** `ambient-redirect top`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const interval = (args.number('interval') ?? 1) * 1000;
  const isInPlace = output.isTerminal && !output.json && !args.flag('once');
  let before = await count(args);
  requirePods(args.all('pod'), before.metrics.pods);
  if (!args.flag('once')) output.note('counting; Ctrl-C ends it');
  while (!io.signal.aborted) {
    // A signal is the end that is meant: no failure.
    await sleep(interval, undefined, { signal: io.signal }).catch(() => undefined);
    if (io.signal.aborted) break;
    const now = await count(args);
    const seconds = (now.at - before.at) / 1000;
    const rates = ofPods(ratesOf(before.metrics, now.metrics, seconds), args.all('pod'));
    const time = new Date().toISOString();
    const text = (): string => topText(output, rates, { time, seconds, rows: isInPlace ? io.stdout.rows : undefined });
    if (output.json) output.record({ time, seconds: Math.round(seconds * 1000) / 1000, ...told(rates) }, text);
    else output.line(`${isInPlace ? HOME : ''}${text()}`);
    if (args.flag('once')) break;
    before = now;
  }
  return EXIT.ok;
};

/** Reads the counters. Whoever has them is asked anew each time: pods come and go, and so do agents. */
async function count(args: Arguments): Promise<{ readonly at: number; readonly metrics: EngineMetrics }> {
  await using control = await openToLook(args);
  return { metrics: await control.metrics(), at: performance.now() };
}

function ofPods(rates: Rates, ids: readonly string[]): Rates {
  return ids.length === 0 ? rates : { ...rates, pods: rates.pods.filter(({ id }) => ids.includes(id)) };
}

function told({ pods, steered }: Rates): object {
  const withOutcome = pods.map((pod) => ({
    ...pod,
    traffic: pod.traffic.map(({ direction, verdict, packets, bytes }) => ({
      direction,
      verdict,
      outcome: VERDICT_MEANING[verdict].outcome,
      packets,
      bytes,
    })),
  }));
  return { pods: withOutcome, steered };
}
