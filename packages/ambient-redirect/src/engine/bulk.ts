import { readFileSync, writeFileSync } from 'node:fs';
import type { RecordStore } from './records.ts';

/** The kernel's switch for grace periods without delay (Documentation/admin-guide/kernel-parameters.txt, `rcu_expedited`). */
const SWITCH = '/sys/kernel/rcu_expedited';
const RECORD = 'rcu-expedited';

/** From how many pods on it pays. */
const MANY = 8;

/**
 * Attaches or detaches the programs of many pods. By tcx each one waits until all CPUs have passed a grace period (`tcx_entry_sync` in the
 * kernel's net/tcx.h), some 5 to 15 ms that nothing can share; expedited, it is less than one. So grace periods are expedited meanwhile, for the
 * whole machine: other CPUs are interrupted a little more often. What was set before is recorded, and put back.
 *
 * Where the switch cannot be written, it takes longer, and nothing else.
 */
export async function inBulk<T>(records: RecordStore, pods: number, work: () => Promise<T>): Promise<T> {
  if (pods < MANY || !switchOn(records)) return work();
  try {
    return await work();
  } finally {
    endBulk(records);
  }
}

/** Puts back what was set before; also what a process that died in the middle left. */
export function endBulk(records: RecordStore): void {
  const before = records.get<string>(RECORD);
  if (before === undefined) return;
  if (readFileSync(SWITCH, 'utf8').trim() === '1') writeFileSync(SWITCH, before);
  records.delete(RECORD);
}

function switchOn(records: RecordStore): boolean {
  let before: string;
  try {
    before = readFileSync(SWITCH, 'utf8').trim();
  } catch {
    return false;
  }
  if (before !== '0') return false;
  records.put(RECORD, before);
  try {
    writeFileSync(SWITCH, '1');
    return true;
  } catch {
    records.delete(RECORD);
    return false;
  }
}
