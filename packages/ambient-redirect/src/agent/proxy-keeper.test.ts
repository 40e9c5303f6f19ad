import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { lineLog } from './log.ts';
import { ProxyKeeper } from './proxy-keeper.ts';

let path: string;
let named: unknown[];
let failure: string | undefined;
let said: string;
let keeper: ProxyKeeper;

beforeEach(() => {
  vi.useFakeTimers();
  // Any file stands for a namespace: what counts is its inode.
  path = join(tempDir(), 'ztunnel');
  writeFileSync(path, '');
  [named, failure, said] = [[], undefined, ''];
  keeper = new ProxyKeeper(
    (proxy) => {
      named.push(proxy);
      return failure === undefined ? Promise.resolve() : Promise.reject(new Error(failure));
    },
    lineLog((text) => (said += text), { format: 'plain' }),
  );
});
afterEach(async () => {
  await keeper.stop();
  vi.useRealTimers();
});

test('a proxy is named once, and again when it is another one', async () => {
  await keeper.want({ netns: { path } });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(named).toEqual([{ netns: { path } }]);
  await keeper.want({ netns: { path }, pid: 5 });
  expect(named).toHaveLength(2);
  await keeper.want(undefined);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(named).toHaveLength(2);
  expect(keeper.error).toBe(undefined);
  // Who it is may have been said by others meanwhile.
  await keeper.want({ netns: { path }, pid: 5 });
  expect(named).toHaveLength(3);
});

test('a path that cannot be looked at is told, and keeps no other from being named', async () => {
  failure = 'no such namespace';
  await keeper.want({ netns: { path: `${path}${'x'.repeat(300)}` } });
  expect(keeper.error).toContain(failure);
  failure = undefined;
  await keeper.want({ netns: { path } });
  expect(keeper.error).toBe(undefined);
  expect(named).toHaveLength(2);
});

test('another namespace by the same name is named; one that is gone is waited for', async () => {
  await keeper.want({ netns: { path } });
  rmSync(path);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(named).toHaveLength(1);
  writeFileSync(`${path}.other`, '');
  writeFileSync(`${path}.new`, '');
  renameSync(`${path}.new`, path);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(named).toHaveLength(2);
});

test('what fails is told once, and tried again', async () => {
  failure = 'it does not listen';
  await keeper.want({ netns: { path } });
  expect(keeper.error).toBe(failure);
  await vi.advanceTimersByTimeAsync(250 + 500 + 1_000);
  expect(named).toHaveLength(4);
  failure = undefined;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(named).toHaveLength(5);
  expect(keeper.error).toBe(undefined);
  expect(said).toBe('error: proxy: it does not listen\ninfo: the proxy is named\n');
});

test('who was named before another one failed is the proxy still', async () => {
  await keeper.want({ netns: { path } });
  failure = 'it does not listen';
  await keeper.want({ netns: { path }, pid: 5 });
  expect(keeper.error).toBe(failure);
  await keeper.want({ netns: { path } });
  expect(keeper.error).toBe(undefined);
  expect(named).toHaveLength(2);
});

test('when it has stopped it does nothing more', async () => {
  failure = 'no';
  await keeper.want({ netns: { path } });
  await keeper.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(named).toHaveLength(1);
});
