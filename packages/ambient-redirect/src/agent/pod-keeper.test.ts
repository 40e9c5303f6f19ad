import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { AmbientRedirectError } from '../error.ts';
import { lineLog } from './log.ts';
import { OwnedPods } from './owned-pods.ts';
import { PodKeeper, type Enroller } from './pod-keeper.ts';
import type { WantedPod } from './wanted.ts';

/** An engine that notes what it is asked for, and fails where it is told to. */
class FakeEngine implements Enroller {
  readonly calls: string[] = [];
  readonly failing = new Map<string, AmbientRedirectError>();
  readonly pods = new Set<string>();
  /** Ends the drain of a pod. */
  readonly drains = new Map<string, () => void>();

  enroll: Enroller['enroll'] = (requests) => {
    this.calls.push(`enroll ${requests.map(({ id }) => id).join(' ')}`);
    const failures = requests.flatMap(({ id }) => {
      const error = this.failing.get(id);
      if (error === undefined) this.pods.add(id);
      return error === undefined ? [] : [{ id, error }];
    });
    if (failures.length > 0) return Promise.reject(new AmbientRedirectError('ERR_ENROLMENT', 'some', { failures }));
    const more = { hostInterface: 'v', addresses: [], attached: 'tcx', changed: true, warnings: [] } as const;
    return Promise.resolve(requests.map(({ id }) => Object.assign({ id }, more)));
  };

  unenroll: Enroller['unenroll'] = (id, { drain, signal } = {}) => {
    this.calls.push(`${drain === undefined ? 'unenroll' : `drain ${drain.timeoutMs}`} ${id}`);
    if (drain === undefined) return Promise.resolve(this.pods.delete(id));
    return new Promise((resolve, reject) => {
      this.drains.set(id, () => resolve(this.pods.delete(id)));
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  };
}

let engine: FakeEngine;
let path: string;
let said: string;
let keeper: PodKeeper;
const begin = (): void => {
  said = '';
  const log = lineLog((text) => (said += text), { format: 'plain' });
  keeper = new PodKeeper(engine, new OwnedPods(path, '/state'), log);
};
const want = (pods: Readonly<Record<string, string>>, drainMs = 7, isWhole = true): Promise<void> => {
  const wanted = Object.entries(pods).map(([id, name]): [string, WantedPod] => [
    id,
    { request: { id, netns: { name } }, source: 'file' },
  ]);
  return keeper.want(new Map(wanted), { drainMs, isWhole });
};
const owned = (): string[] => [...new OwnedPods(path, '/state').ids];

beforeEach(() => {
  vi.useFakeTimers();
  engine = new FakeEngine();
  path = join(tempDir(), 'run', 'agent.sock.pods');
  begin();
});
afterEach(async () => {
  await keeper.stop();
  vi.useRealTimers();
});

test('pods come, stay, change and go', async () => {
  await want({ a: 'one', b: 'two' });
  expect(engine.calls.splice(0)).toEqual(['enroll a b']);
  expect(keeper.unmet()).toEqual([]);
  expect(keeper.count).toBe(2);
  await want({ a: 'one', b: 'other' });
  expect(engine.calls.splice(0)).toEqual(['enroll b']);
  await want({ a: 'one' });
  expect(engine.calls.splice(0)).toEqual(['drain 7 b']);
  expect(owned()).toEqual(['a', 'b']);
  engine.drains.get('b')?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(owned()).toEqual(['a']);
  expect(said.split('\n')).toEqual([
    'info: a is enrolled',
    'info: b is enrolled',
    'info: b is enrolled as its file says now',
    'info: b is unenrolled',
    '',
  ]);
});

test('what fails is told, and tried again, ever more seldom; at once when it is asked for otherwise', async () => {
  engine.failing.set('a', new AmbientRedirectError('ERR_NETNS_GONE', 'it is not there'));
  await want({ a: 'one', b: 'two' });
  expect(keeper.unmet()).toEqual([{ id: 'a', code: 'ERR_NETNS_GONE', error: 'it is not there' }]);
  expect(engine.calls.splice(0)).toEqual(['enroll a b']);
  await vi.advanceTimersByTimeAsync(250 + 500 + 1000 + 100);
  expect(engine.calls.splice(0)).toEqual(['enroll a', 'enroll a', 'enroll a']);
  await want({ a: 'other', b: 'two' });
  expect(engine.calls.splice(0)).toEqual(['enroll a']);
  engine.failing.clear();
  await vi.advanceTimersByTimeAsync(250);
  expect(engine.calls.splice(0)).toEqual(['enroll a']);
  expect(keeper.unmet()).toEqual([]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(engine.calls).toEqual([]);
  expect(said.match(/it is not there/g)).toHaveLength(1);
});

test('a pod that is gone and wanted is missing until it is back', async () => {
  await want({ a: 'one' });
  engine.failing.set('a', new AmbientRedirectError('ERR_NETNS_GONE', 'it is not there'));
  keeper.removed(['a', 'of others']);
  await vi.advanceTimersByTimeAsync(0);
  expect(keeper.unmet()).toMatchObject([{ id: 'a', code: 'ERR_NETNS_GONE' }]);
  engine.failing.clear();
  await vi.advanceTimersByTimeAsync(250);
  expect(keeper.unmet()).toEqual([]);
});

test('a pod that is another one by the same name takes the place of the old one', async () => {
  engine.pods.add('a');
  const exists = new AmbientRedirectError('ERR_POD_EXISTS', 'there is a pod a already, on v0');
  engine.failing.set('a', exists);
  const { unenroll } = engine;
  engine.unenroll = (id, options) => {
    engine.failing.delete(id);
    return unenroll(id, options);
  };
  await want({ a: 'new' });
  expect(engine.calls.splice(0)).toEqual(['enroll a', 'unenroll a', 'enroll a']);
  expect(keeper.unmet()).toEqual([]);
  // The interface is that of another pod: nothing is taken away but what has the name.
  engine.unenroll = unenroll;
  engine.failing.set('b', new AmbientRedirectError('ERR_POD_EXISTS', 'v1 belongs to pod c'));
  await want({ a: 'new', b: 'x' });
  expect(engine.calls).toEqual(['enroll b', 'unenroll b']);
  expect(keeper.unmet()).toMatchObject([{ id: 'b', error: 'v1 belongs to pod c' }]);
});

test('a pod that was taken away for another one is enrolled anew when it is wanted as before', async () => {
  await want({ a: 'one' });
  engine.failing.set('a', new AmbientRedirectError('ERR_POD_EXISTS', 'v1 belongs to pod c'));
  await want({ a: 'other' });
  expect(engine.calls.splice(0)).toEqual(['enroll a', 'enroll a', 'unenroll a', 'enroll a']);
  expect(keeper.count).toBe(0);
  engine.failing.clear();
  await want({ a: 'one' });
  expect(engine.calls).toEqual(['enroll a']);
  expect(keeper.count).toBe(1);
});

test('a pod that is wanted again while it drains stays', async () => {
  await want({ a: 'one' });
  await want({});
  await want({ a: 'one' });
  engine.drains.get('a')?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(engine.calls).toEqual(['enroll a', 'drain 7 a', 'enroll a']);
  expect(keeper.unmet()).toEqual([]);
  expect(owned()).toEqual(['a']);
  expect(said).not.toContain('unenrolled');
});

test('when it is wanted as it is enrolled, what has failed meanwhile is not tried again', async () => {
  await want({ a: 'one' });
  engine.failing.set('a', new AmbientRedirectError('ERR_NETNS_GONE', 'it is not there'));
  await want({ a: 'other' });
  expect(keeper.unmet()).toMatchObject([{ id: 'a', code: 'ERR_NETNS_GONE' }]);
  await want({ a: 'one' });
  expect(keeper.unmet()).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test('while a pod drains it waits for nothing that failed before', async () => {
  await want({ a: 'one' });
  engine.failing.set('a', new AmbientRedirectError('ERR_NETNS_GONE', 'it is not there'));
  await want({ a: 'other' });
  await want({});
  expect(engine.calls).toEqual(['enroll a', 'enroll a', 'drain 7 a']);
  expect(vi.getTimerCount()).toBe(0);
  engine.drains.get('a')?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(owned()).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test('whenever a pod is found gone, it is enrolled again', async () => {
  let tried = 0;
  for (let later = 0; later < 40; later += 1) {
    const wanted = want({ a: `${later}` });
    for (let turn = 0; turn < later; turn += 1) await Promise.resolve();
    // What is found before it is enrolled is about the one before.
    if (keeper.unmet().length > 0) continue;
    tried += 1;
    engine.calls.splice(0);
    keeper.removed(['a']);
    await wanted;
    await vi.advanceTimersByTimeAsync(0);
    expect(engine.calls, `after ${later} turns`).toEqual(['enroll a']);
  }
  expect(tried).toBeGreaterThan(10);
});

test('who waits for the end of a drain does so no more when the pod is wanted again', async () => {
  const signals: (AbortSignal | undefined)[] = [];
  const { unenroll } = engine;
  engine.unenroll = (id, options) => {
    signals.push(options?.signal);
    return unenroll(id, options);
  };
  await want({ a: 'one' });
  await want({});
  const { enroll } = engine;
  engine.enroll = (requests) => {
    // By now: an engine that is opened in the place of another would be asked to drain it again.
    expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
    return enroll(requests);
  };
  await want({ a: 'one' });
  expect(engine.calls).toEqual(['enroll a', 'drain 7 a', 'enroll a']);
});

test('a drain has its time from when it began, whoever goes on with it', async () => {
  await want({ a: 'one', b: 'two' });
  await want({ b: 'two' }, 10_000);
  await keeper.stop();
  await vi.advanceTimersByTimeAsync(4_000);
  begin();
  engine.calls.splice(0);
  await want({ b: 'two' }, 10_000);
  expect(engine.calls.splice(0)).toEqual(['drain 6000 a', 'enroll b']);
  await keeper.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  begin();
  await want({ b: 'two' }, 10_000);
  expect(engine.calls.splice(0)).toEqual(['drain 0 a', 'enroll b']);
  await want({ a: 'one', b: 'two' }, 10_000);
  await want({ b: 'two' }, 10_000);
  expect(engine.calls).toEqual(['enroll a', 'drain 10000 a']);
});

test('before anyone has said what is wanted, nothing is taken away', async () => {
  await want({ a: 'one', b: 'two', c: 'three' });
  await keeper.stop();
  begin();
  engine.calls.splice(0);
  // As its engine finds when it is opened, or while the proxy is still being named.
  keeper.removed(['c']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(engine.calls).toEqual([]);
  await want({ a: 'one', b: 'two' });
  expect(engine.calls).toEqual(['enroll a b']);
});

test('while it is not known what all files say, what the last one enrolled stays', async () => {
  await want({ a: 'one', b: 'two', c: 'three' });
  await keeper.stop();
  begin();
  engine.calls.splice(0);
  await want({ b: 'two', c: 'three' }, 7, false);
  expect(engine.calls.splice(0)).toEqual(['enroll b c']);
  // Of this one it is known that its file has gone.
  await want({ c: 'three' }, 7, false);
  expect(engine.calls.splice(0)).toEqual(['drain 7 b']);
  await vi.advanceTimersByTimeAsync(60_000);
  await want({ c: 'three' });
  expect(engine.calls).toEqual(['drain 7 a']);
});

test('the next one drains what the last one enrolled, and nothing else', async () => {
  await want({ a: 'one', b: 'two' });
  engine.pods.add('by hand');
  await keeper.stop();
  begin();
  engine.calls.splice(0);
  await want({ b: 'two' });
  expect(engine.calls).toEqual(['drain 7 a', 'enroll b']);
});
