import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { OwnedPods } from './owned-pods.ts';

test('what one agent writes down the next one knows', () => {
  const path = join(tempDir(), 'run', 'agent.sock.pods');
  const owned = new OwnedPods(path, '/state');
  expect([...owned.ids]).toEqual([]);
  owned.add([]);
  expect(existsSync(path)).toBe(false);
  owned.add(['a', 'b', 'c']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect([...new OwnedPods(path, '/state').ids]).toEqual(['a', 'b', 'c']);
  owned.delete('b');
  owned.delete('nobody');
  expect([...new OwnedPods(path, '/state').ids]).toEqual(['a', 'c']);
  owned.clear();
  expect(existsSync(path)).toBe(false);
  expect([...owned.ids]).toEqual([]);
});

test('the end of a drain stays what it was, until the pod is added again', () => {
  const path = join(tempDir(), 'agent.sock.pods');
  const owned = new OwnedPods(path, '/state');
  owned.add(['a', 'b']);
  expect(owned.drainUntil('a', 1_000)).toBe(1_000);
  expect(owned.drainUntil('a', 2_000)).toBe(1_000);
  const next = new OwnedPods(path, '/state');
  expect([...next.ids]).toEqual(['a', 'b']);
  expect([next.drainUntil('a', 3_000), next.drainUntil('b', 3_000)]).toEqual([1_000, 3_000]);
  next.add(['a']);
  expect(new OwnedPods(path, '/state').drainUntil('a', 4_000)).toBe(4_000);
  next.delete('b');
  next.add(['b']);
  expect(next.drainUntil('b', 5_000)).toBe(5_000);
});

test('what cannot be written down is not added', () => {
  const directory = tempDir();
  const path = join(directory, 'agent.sock.pods');
  mkdirSync(`${path}.new`);
  const owned = new OwnedPods(path, '/state');
  expect(() => owned.add(['a'])).toThrow('EISDIR');
  expect([...owned.ids]).toEqual([]);
  expect(() => readFileSync(path)).toThrow('ENOENT');
});

test('a file of pods that makes no sense, or is of another engine, names none', () => {
  const file = join(tempDir(), 'pods');
  for (const text of ['', '{', 'null', '{"directory": "/state"}', '{"directory": "/other", "pods": ["a"]}']) {
    writeFileSync(file, text);
    expect([...new OwnedPods(file, '/state').ids], text).toEqual([]);
  }
  writeFileSync(file, '{"directory": "/state", "pods": ["a", 1]}');
  expect([...new OwnedPods(file, '/state').ids]).toEqual(['a']);
});
