import { expect, test } from 'vitest';
import { difference, snapshot } from './residue.ts';
import { tempDir } from './temp.ts';

test('what is new and what is gone both count', () => {
  expect(difference(['a', 'b'], ['b', 'c'])).toEqual(['+ c', '- a']);
  expect(difference(['a', 'b'], ['b', 'a'])).toEqual([]);
});

test('a temporary directory shows up', () => {
  const before = snapshot();
  const directory = tempDir();
  const name = directory.slice(directory.lastIndexOf('/') + 1);
  expect(difference(before, snapshot())).toContain(`+ temporary directory ${name}`);
});
