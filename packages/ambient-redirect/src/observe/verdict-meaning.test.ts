import { expect, test } from 'vitest';
import { VERDICT, type Verdict } from '../maps.ts';
import { VERDICT_MEANING } from './verdict-meaning.ts';

const meanings = Object.entries(VERDICT_MEANING);

test('every verdict has a meaning of its own, and there are no others', () => {
  expect(Object.keys(VERDICT_MEANING)).toEqual(Object.keys(VERDICT));
  expect(new Set(meanings.map(([, { reason }]) => reason)).size).toBe(meanings.length);
  for (const [, { reason }] of meanings) expect(reason).toMatch(/^[a-z].{10,80}[^.]$/);
});

test('what is dropped and what is redirected is what programs drop and redirect', () => {
  const of = (outcome: string): string[] => meanings.filter(([, one]) => one.outcome === outcome).map(([name]) => name);
  expect(of('dropped')).toEqual(['droppedWithoutProxy', 'spoofed'] satisfies Verdict[]);
  expect(of('redirected')).toEqual(['captured', 'dns', 'delivered'] satisfies Verdict[]);
});
