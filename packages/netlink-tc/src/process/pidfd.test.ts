import { expect, test } from 'vitest';
import { living } from '../../test/living.ts';
import { closing, testSys } from '../../test/sys.ts';
import { openPidfd } from './pidfd.ts';

test('the end of a process is told to all who wait for it', async () => {
  const sys = await testSys();
  const child = living('sleep', 'infinity');
  const held = closing(openPidfd(sys, child.pid));
  expect(held).toMatchObject({ pid: child.pid, running: true });
  const controller = new AbortController();
  const aborted = held.exited({ signal: controller.signal });
  const two = [held.exited(), held.exited()];
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  await expect(held.exited({ signal: controller.signal })).rejects.toThrow('enough');
  expect(held.running).toBe(true);
  child.kill('SIGKILL');
  await Promise.all(two);
  expect(held.running).toBe(false);
  await held.exited();
});

test('who waits for a process learns when the descriptor is closed', async () => {
  const sys = await testSys();
  const child = living('sleep', 'infinity');
  const held = openPidfd(sys, child.pid);
  const wait = held.exited();
  held.close();
  held.close();
  await expect(wait).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(held.exited()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(() => held.running).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  expect(() => held.takeFd(0)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
});

test('a descriptor that is not there', async () => {
  const sys = await testSys();
  const held = closing(openPidfd(sys, living('sleep', 'infinity').pid));
  expect(() => held.takeFd(9999)).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
  expect(() => held.takeFd(-1)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
});
