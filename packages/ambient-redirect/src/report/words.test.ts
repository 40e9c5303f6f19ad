import { expect, test } from 'vitest';
import { cut, number, short, span, squeeze, whole } from './words.ts';

test.each([
  [0, '0'],
  [999, '999'],
  [1_000, '1.0k'],
  [12_345n, '12.3k'],
  [99_940, '99.9k'],
  [99_960, '100k'],
  [999_499, '999k'],
  [999_500, '1.0M'],
  [18_446_744_073_709_551_615n, '18.4E'],
])('%s in short is %s', (value, text) => {
  expect(short(value)).toBe(text);
});

test.each([
  [7, '7'],
  [1_234, '1,234'],
  [18_446_744_073_709_551_615n, '18,446,744,073,709,551,615'],
])('%s in full is %s', (value, text) => {
  expect(whole(value)).toBe(text);
});

test.each([
  [-5, '0 s'],
  [400, '0 s'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [93_784_000, '1 d 2 h'],
  [86_400_000 * 400, '400 d'],
])('%i ms are %s', (milliseconds, text) => {
  expect(span(milliseconds)).toBe(text);
});

test('text is cut at its end, names in their middle, and neither between the halves of a character', () => {
  expect([cut('abcdef', 6), cut('abcdef', 4), cut('😀😀😀', 2), cut('abc', 0)]).toEqual(['abcdef', 'abc…', '😀…', '…']);
  expect([squeeze('abcdef', 6), squeeze('abcdefgh', 5), squeeze('abcdefgh', 4), squeeze('abc', 1)]).toEqual([
    'abcdef',
    'ab…gh',
    'ab…h',
    '…',
  ]);
});

test('one thing, or several', () => {
  expect([number(1, 'pod'), number(0, 'pod'), number(2, 'is', 'are')]).toEqual(['1 pod', '0 pods', '2 are']);
});
