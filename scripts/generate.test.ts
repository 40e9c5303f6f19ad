import { expect, test } from 'vitest';
import { drift, generatorsAmong } from './generate.ts';

test('generators are found by their name, at the root and in packages', () => {
  const paths = [
    'scripts/a.generate.ts',
    'packages/x/scripts/b.generate.ts',
    'packages/x/src/c.generate.ts',
    'scripts/a.ts',
  ];
  expect(generatorsAmong(paths)).toEqual(paths.slice(0, 2));
});

test('a file that is out of date, absent or without a generator is found', () => {
  const tree: Record<string, string> = {
    'same.gen.ts': 'a',
    'stale.gen.ts': 'old',
    'orphan.gen.ts': 'z',
    'other.ts': '',
  };
  const made = { 'same.gen.ts': 'a', 'stale.gen.ts': 'new', 'absent.gen.ts': 'b' };
  expect(drift(made, Object.keys(tree), (path) => tree[path])).toEqual([
    expect.stringContaining('stale.gen.ts: out of date'),
    expect.stringContaining('absent.gen.ts: out of date'),
    expect.stringContaining('orphan.gen.ts: no generator'),
  ]);
});
