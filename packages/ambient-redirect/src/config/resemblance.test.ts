import { expect, test } from 'vitest';
import { resemblance } from './resemblance.ts';

const WORDS = ['podCidrs', 'pods', 'podsDirectory', 'proxy', 'ports', 'dns', 'id'];

test.each([
  ['podCidr', 'podCidrs'],
  ['podcidrs', 'podCidrs'],
  ['porxy', 'proxy'],
  ['pod', 'pods'],
  ['PODS_DIRECTORY', 'podsDirectory'],
  ['ID', 'id'],
  ['dsn', 'dns'],
])('%s was likely meant as %s', (given, meant) => {
  expect(resemblance(given, WORDS)).toBe(meant);
});

test.each(['', 'xyzzy', 'interface', 'toString'])('%j is like none', (given) => {
  expect(resemblance(given, WORDS)).toBe(undefined);
});
