import { setTimeout as sleep } from 'node:timers/promises';
import { enableStatistics, type Sys } from 'netlink-tc';
import type { ControlStatus, ReadControl } from '../../control/index.ts';
import type { Measured } from '../../report/index.ts';

/**
 * Has the kernel count runs and run time of programs for a while. It counts for this process: where that ends, so does the counting.
 * @throws NetlinkTcError `ERR_PERMISSION` without CAP_SYS_ADMIN; `ERR_SYSCALL` before Linux 5.8
 * @throws the signal's reason
 */
export async function measure(
  sys: Sys,
  control: ReadControl,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<{ readonly status: ControlStatus; readonly measured: Measured }> {
  using _counting = enableStatistics(sys);
  const before = new Map((await control.status()).programs.map((program) => [program.id, program]));
  const begin = performance.now();
  await sleep(seconds * 1000, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
  const status = await control.status();
  const took = (performance.now() - begin) / 1000;
  const programs = status.programs.map(({ id, name, runs = 0n, runTimeNs = 0n }) => {
    const earlier = before.get(id);
    const counted = runs - (earlier?.runs ?? 0n);
    const time = runTimeNs - (earlier?.runTimeNs ?? 0n);
    return { id, name, runs: counted, averageNs: counted === 0n ? undefined : Number(time) / Number(counted) };
  });
  return { status, measured: { seconds: Math.round(took * 10) / 10, programs } };
}
