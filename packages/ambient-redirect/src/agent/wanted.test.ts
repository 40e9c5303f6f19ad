import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { WantedPods } from './wanted.ts';

let podsDirectory: string;
let wanted: WantedPods;
beforeEach(() => {
  podsDirectory = join(tempDir(), 'pods');
  mkdirSync(podsDirectory);
  wanted = new WantedPods();
});

const write = (name: string, text: string): void => writeFileSync(join(podsDirectory, name), text);
const read = (...ids: readonly string[]): Record<string, unknown> => {
  wanted.read({ pods: ids.map((id) => ({ id, netns: { name: 'config' } })), podsDirectory }, '/etc/agent.yaml');
  return Object.fromEntries([...wanted.pods].map(([id, { request }]) => [id, request.netns]));
};

test('files come and go, and change', () => {
  write('a.yaml', 'netns: one');
  write('b.json', '{"id": "shop/b", "pid": 5}');
  write('.c.yaml', 'netns: three');
  write('d.yaml.tmp', 'netns: four');
  write('e.yml', 'netns: five');
  expect(read('z')).toEqual({ z: { name: 'config' }, a: { name: 'one' }, 'shop/b': { pid: 5 }, e: { name: 'five' } });
  expect(wanted.problems).toEqual([]);
  write('a.yaml', 'netns: other');
  rmSync(join(podsDirectory, 'b.json'));
  renameSync(join(podsDirectory, 'd.yaml.tmp'), join(podsDirectory, 'd.yaml'));
  expect(read()).toEqual({ a: { name: 'other' }, d: { name: 'four' }, e: { name: 'five' } });
  expect(wanted.pods.get('d')?.source).toBe(join(podsDirectory, 'd.yaml'));
});

test('a file that cannot be understood wants what it wanted before', () => {
  write('a.yaml', 'netns: one');
  read();
  for (const text of ['netns: [', '', 'netn: two']) {
    write('a.yaml', text);
    write('new.yaml', text);
    expect(read()).toEqual({ a: { name: 'one' } });
    expect(wanted.problems.map(({ subject }) => subject).toSorted()).toEqual([
      join(podsDirectory, 'a.yaml'),
      join(podsDirectory, 'new.yaml'),
    ]);
    expect(wanted.problems[0]?.error).toContain(`${wanted.problems[0]?.subject}:1:`);
  }
  rmSync(join(podsDirectory, 'a.yaml'));
  expect(read()).toEqual({});
});

test('a directory that is away takes nothing along', () => {
  write('a.yaml', 'netns: one');
  read();
  rmSync(podsDirectory, { recursive: true });
  expect(read()).toEqual({ a: { name: 'one' } });
  expect(wanted.problems).toMatchObject([{ subject: podsDirectory, error: /ENOENT/ }]);
  mkdirSync(podsDirectory);
  expect(read()).toEqual({});
  expect(wanted.problems).toEqual([]);
});

test('what there is is known when each file was understood once', () => {
  write('a.yaml', 'netns: one');
  read();
  expect(wanted.isWhole).toBe(true);
  write('b.yaml', 'netns: [');
  read();
  expect(wanted.isWhole).toBe(false);
  write('b.yaml', 'netns: two');
  read();
  write('b.yaml', 'netns: [');
  read();
  expect(wanted.isWhole).toBe(true);
  wanted = new WantedPods();
  read();
  expect(wanted.isWhole).toBe(false);
  rmSync(podsDirectory, { recursive: true });
  read();
  expect(wanted.isWhole).toBe(false);
  wanted.read({ pods: [], podsDirectory: undefined }, '/etc/agent.yaml');
  expect(wanted.isWhole).toBe(true);
});

test('of two that name the same pod the first has it: the configuration, then files by name', () => {
  write('b.yaml', '{id: x, netns: b}');
  write('a.yaml', '{id: x, netns: a}');
  write('c.yaml', '{id: y, netns: c}');
  expect(read('y')).toEqual({ y: { name: 'config' }, x: { name: 'a' } });
  expect(wanted.problems).toEqual([
    { subject: join(podsDirectory, 'b.yaml'), error: `${join(podsDirectory, 'a.yaml')} has a pod x, too` },
    { subject: join(podsDirectory, 'c.yaml'), error: '/etc/agent.yaml has a pod y, too' },
  ]);
});
