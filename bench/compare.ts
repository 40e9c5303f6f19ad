import { Bench } from 'tinybench';

/** One thing to measure. */
export interface Contender {
  readonly name: string;
  /** Does the work once. What it returns is ignored; it must not be optimised away, so return something it made. */
  readonly run: () => unknown;
}

/** What is measured, and against what. */
export interface Comparison {
  /** What the numbers are about, e.g. `encode 4096 instructions`. */
  readonly title: string;
  /** How many units (instructions, bytes, lookups) one run handles. */
  readonly units: number;
  /** What a unit is called, in the plural. */
  readonly unit: string;
  readonly subject: Contender;
  /** The named peer, or the floor that nothing can be faster than. */
  readonly floor: Contender;
}

/** Rates in units a second, and how many times the floor's time the subject takes. */
export interface ComparisonResult {
  readonly subject: number;
  readonly floor: number;
  readonly ratio: number;
}

/**
 * Measures both contenders in turn (medians, so that a busy machine disturbs less) and prints one line:
 * `title: subject 12.3 M unit/s, floor 98.7 M unit/s, ratio 8.0`.
 */
export async function compare({ title, units, unit, subject, floor }: Comparison): Promise<ComparisonResult> {
  const bench = new Bench({ time: 500, warmupTime: 200 });
  bench.add(subject.name, () => void subject.run()).add(floor.name, () => void floor.run());
  const [first, second] = await bench.run();
  const rates = [first, second].map((task) => {
    if (task?.result.state !== 'completed') throw new Error(`${title}: ${task?.name} did not complete`);
    return (units * 1000) / task.result.latency.p50;
  });
  const [subjectRate = 0, floorRate = 0] = rates;
  const ratio = floorRate / subjectRate;
  const show = (rate: number): string => `${Math.round(rate / 1e4) / 100} M ${unit}/s`;
  console.log(
    `${title}: ${subject.name} ${show(subjectRate)}, ${floor.name} ${show(floorRate)}, ratio ${ratio.toPrecision(3)}`,
  );
  return { subject: subjectRate, floor: floorRate, ratio };
}
