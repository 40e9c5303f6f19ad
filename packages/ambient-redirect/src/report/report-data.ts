import type { InterfaceChain } from '../chain/index.ts';
import type { ControlStatus } from '../control/index.ts';
import type { EngineMetrics } from '../engine/index.ts';

/** How often a program ran in a while, and how long that took on average. */
export interface MeasuredProgram {
  readonly id: number;
  readonly name: string;
  readonly runs: bigint;
  /** Undefined where it did not run. */
  readonly averageNs: number | undefined;
}

/** What the kernel's statistics told while they were on. */
export interface Measured {
  readonly seconds: number;
  readonly programs: readonly MeasuredProgram[];
}

/** Everything that a report tells. */
export interface ReportData {
  /** When it was looked, ISO 8601. */
  readonly taken: string;
  /** Name of the node. */
  readonly node: string;
  /** `uname -r`. */
  readonly kernel: string;
  /** Version of this package. */
  readonly version: string;
  readonly status: ControlStatus;
  readonly metrics: EngineMetrics;
  /** Of the interfaces of the pods and of the proxy. */
  readonly chains: readonly InterfaceChain[];
  /** Undefined where it was not measured. */
  readonly measured: Measured | undefined;
}
