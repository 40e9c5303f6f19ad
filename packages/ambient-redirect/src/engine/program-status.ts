import { readProgramInfo } from 'netlink-tc';
import { readFileSync } from 'node:fs';
import type { EngineContext } from './context.ts';

/** A program that is pinned in the engine's directory. */
export interface ProgramStatus {
  readonly id: number;
  readonly name: string;
  /** As `tc filter show` and `bpftool prog` print it. */
  readonly tag: string;
  /** Hash of all that it was made of, in hexadecimal digits. */
  readonly digest: string;
  /** When it was loaded, ISO 8601, to the second. */
  readonly loaded: string;
  /** Where it runs: `v-client ingress`; nowhere where it is kept for the next pod that needs it. */
  readonly hooks: readonly string[];
  /** Instructions that the verifier walked over; undefined where the kernel does not tell (5.16). */
  readonly verifiedInstructions: number | undefined;
  /** Bytes of machine code; 0 where it is interpreted. */
  readonly machineCode: number;
  /**
   * How often it ran and how many nanoseconds that took, while the kernel's statistics were on: 0 where they never were. Undefined where the
   * kernel does not count (5.1).
   */
  readonly runs: bigint | undefined;
  readonly runTimeNs: bigint | undefined;
}

/**
 * Lists the programs that are pinned.
 * @param hooksOf where a program runs, by its id
 */
export function programStatus(
  { sys, directory }: Pick<EngineContext, 'sys' | 'directory'>,
  hooksOf: ReadonlyMap<number, readonly string[]>,
): ProgramStatus[] {
  const boot = bootTime();
  return directory.programNames().flatMap((pin) => {
    using program = directory.openProgram(pin);
    if (program === undefined) return [];
    const info = readProgramInfo(sys, program.fd);
    return {
      id: info.id,
      name: info.name,
      tag: info.tag,
      digest: pin.slice(pin.lastIndexOf('-') + 1),
      loaded: new Date((boot + Number(info.loadTime / 1_000_000_000n)) * 1000).toISOString(),
      hooks: hooksOf.get(info.id) ?? [],
      verifiedInstructions: info.verifiedInstructions,
      machineCode: info.jitedSize,
      runs: info.runCount,
      runTimeNs: info.runTime,
    };
  });
}

/** When the machine was started, in seconds since 1970: the same at each look. */
function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0);
}
