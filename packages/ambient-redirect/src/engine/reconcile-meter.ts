import type { ReconcileReport } from './reconcile.ts';

/** Upper ends of the buckets of durations, in seconds. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** What an engine's reconciles came to. */
export interface ReconcileMetrics {
  /** How many there were. */
  readonly count: number;
  /** How many left something that could not be mended, or failed whole. */
  readonly failed: number;
  /** What was not as it should be, and was mended. */
  readonly repaired: number;
  /** Pods that were gone, and were unenrolled. */
  readonly removed: number;
  /** How long they took together, in seconds. */
  readonly seconds: number;
  /** How many took at most so many seconds, by that. */
  readonly buckets: readonly { readonly atMost: number; readonly count: number }[];
}

/** Measures reconciles. */
export class ReconcileMeter {
  readonly #durations = BUCKETS.map((atMost) => ({ atMost, count: 0 }));
  #count = 0;
  #failed = 0;
  #repaired = 0;
  #removed = 0;
  #seconds = 0;

  /** Measures one. */
  async measure(reconcile: () => Promise<ReconcileReport>): Promise<ReconcileReport> {
    const began = performance.now();
    let isFailed = true;
    try {
      const report = await reconcile();
      isFailed = report.failed.length > 0;
      this.#repaired += report.repaired.length;
      this.#removed += report.removed.length;
      return report;
    } finally {
      const seconds = (performance.now() - began) / 1000;
      this.#count += 1;
      this.#failed += Number(isFailed);
      this.#seconds += seconds;
      for (const bucket of this.#durations) bucket.count += Number(seconds <= bucket.atMost);
    }
  }

  /** What it came to so far. */
  read(): ReconcileMetrics {
    return {
      count: this.#count,
      failed: this.#failed,
      repaired: this.#repaired,
      removed: this.#removed,
      seconds: this.#seconds,
      buckets: this.#durations.map((bucket) => ({ ...bucket })),
    };
  }
}
