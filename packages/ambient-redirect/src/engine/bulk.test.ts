import { existsSync, readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { endBulk, inBulk } from './bulk.ts';
import { StateDirectory } from './directory.ts';

const now = (): string => readFileSync('/sys/kernel/rcu_expedited', 'utf8').trim();

describeWith([root], 'work on many pods', () => {
  test('expedites grace periods meanwhile, and puts back what was set', async () => {
    // A kernel without the switch has nothing to expedite.
    if (!existsSync('/sys/kernel/rcu_expedited')) return;
    const { records } = closing(StateDirectory.open(await testSys(), statePath(await testSys()), { create: true }));
    onTestFinished(() => endBulk(records));
    expect(now()).toBe('0');
    expect(await inBulk(records, 1, async () => now())).toBe('0');
    expect(await inBulk(records, 200, async () => now())).toBe('1');
    expect(now()).toBe('0');
    await expect(inBulk(records, 200, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(now()).toBe('0');
    // A process that dies in the middle.
    void inBulk(records, 200, () => new Promise(() => undefined));
    expect(now()).toBe('1');
    endBulk(records);
    expect(now()).toBe('0');
    endBulk(records);
  });
});
