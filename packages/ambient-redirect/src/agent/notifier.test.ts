import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { notifySocket } from '../../test/notify-socket.ts';
import { notifyAddress, Notifier, type NotifyEnvironment } from './notifier.ts';

test('a path ends with a zero, an abstract name begins with one', () => {
  expect([...(notifyAddress('/a', true) ?? [])]).toEqual([1, 0, 0x2f, 0x61, 0]);
  expect([...(notifyAddress('@a', false) ?? [])]).toEqual([0, 1, 0, 0x61]);
  expect(notifyAddress('vsock:2:1', true)).toBe(undefined);
  expect(notifyAddress(`@${'a'.repeat(107)}`, true)).toHaveLength(110);
  expect(notifyAddress(`/${'a'.repeat(106)}`, true)).toHaveLength(110);
  expect(() => notifyAddress(`/${'a'.repeat(107)}`, true)).toThrow('NOTIFY_SOCKET is too long');
});

async function notifier(environment: NotifyEnvironment, errors: unknown[] = []): Promise<Notifier> {
  const made = new Notifier(await testSys(), environment, (error) => errors.push(error));
  onTestFinished(() => made.close());
  return made;
}

test.each([
  ['a path', () => join(tempDir(), 'notify')],
  ['an abstract name', () => `@ambient-test-${process.pid}`],
])('a service manager hears it at %s', async (_, nameOf) => {
  const name = nameOf();
  const heard = notifySocket(await testSys(), name);
  const made = await notifier({ NOTIFY_SOCKET: name });
  made.tell({ READY: 1, STATUS: 'two\nlines' });
  expect(heard()).toEqual(['READY=1\nSTATUS=two lines']);
  const before = process.hrtime.bigint() / 1000n;
  made.tellReloading();
  const [, microseconds = ''] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(heard()[0] ?? '') ?? [];
  expect(BigInt(microseconds) - before).toBeLessThan(10_000_000n);
  expect(BigInt(microseconds)).toBeGreaterThanOrEqual(before);
});

test('the watchdog hears of it twice a period, if it is meant', async () => {
  const name = `@ambient-test-${process.pid}-watchdog`;
  const heard = notifySocket(await testSys(), name);
  await notifier({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' });
  await sleep(50);
  expect(heard()).toEqual([]);
  const mine = await notifier({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '20000', WATCHDOG_PID: `${process.pid}` });
  await expect.poll(() => heard()).toContain('WATCHDOG=1');
  mine.close();
  heard();
  await sleep(50);
  expect(heard()).toEqual([]);
});

test('where nobody listens it says so once, and where nobody is named not at all', async () => {
  const errors: unknown[] = [];
  const alone = await notifier({ NOTIFY_SOCKET: join(tempDir(), 'nobody') }, errors);
  alone.tell({ READY: 1 });
  alone.tell({ STOPPING: 1 });
  expect(errors).toMatchObject([{ code: 'ERR_NOT_FOUND', message: /cannot tell the service manager/ }]);
  (await notifier({}, errors)).tell({ READY: 1 });
  (await notifier({ NOTIFY_SOCKET: '' }, errors)).tell({ READY: 1 });
  expect(errors).toHaveLength(1);
});
