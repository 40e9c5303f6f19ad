import { expect, it } from 'vitest';
import { encode, r0, r1, r2 } from '../isa/index.ts';
import { exit, ldMap, ldMapValue, mapNames, mov64, resolveMaps } from './index.ts';

const program = [
  ldMap(r1, 'pods'),
  ldMapValue(r2, 'counters', 8),
  ldMap(r1, 'pods'),
  ldMap(r1, 4),
  mov64(r0, 0),
  exit(),
];

it('names each map once', () => expect(mapNames(program)).toEqual(['pods', 'counters']));

it('gives names their descriptors and leaves the rest', () => {
  const resolved = resolveMaps(program, (name) => ({ pods: 10, counters: 11 })[name]);
  expect(resolved.slice(0, 4)).toEqual([ldMap(r1, 10), ldMapValue(r2, 11, 8), ldMap(r1, 10), ldMap(r1, 4)]);
  expect(encode(resolved).length).toBe(80);
  expect(mapNames(program)).toEqual(['pods', 'counters']);
});

it('says which map is missing', () => {
  expect(() => resolveMaps(program, (name) => (name === 'pods' ? 10 : undefined))).toThrow(
    expect.objectContaining({
      code: 'ERR_UNRESOLVED',
      instruction: 1,
      message: expect.stringMatching(/no map "counters"/) as string,
    }),
  );
});

it('refuses what is no list of instructions', () => {
  for (const make of [mapNames, (given: never) => resolveMaps(given, () => 1)]) {
    expect(() => make(undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(() => make([null] as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION' }));
  }
});
