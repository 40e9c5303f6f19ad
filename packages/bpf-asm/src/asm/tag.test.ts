import { expect, it } from 'vitest';
import { r0, r1 } from '../isa/index.ts';
import { exit, hasTag, ldMap, ldMapValue, mov64, tag } from './index.ts';

it('is what bpftool prints', () => {
  expect(tag([mov64(r0, 0), exit()])).toBe('a04f5eef06a7f555');
  expect(tag([mov64(r0, 2), exit()])).toBe('3b185187f1855c4c');
});

it('does not depend on the maps, by name or by descriptor', () => {
  const one = [ldMap(r1, 'pods'), ldMapValue(r1, 'counters', 8), mov64(r0, 0), exit()];
  const other = [ldMap(r1, 7), ldMapValue(r1, 8, 16), mov64(r0, 0), exit()];
  expect(tag(one)).toBe(tag(other));
  expect(tag(one, { hash: 'sha256' })).toBe(tag(other, { hash: 'sha256' }));
});

it('is recognised with either hash', () => {
  const program = [mov64(r0, 0), exit()];
  expect(tag(program, { hash: 'sha256' })).not.toBe(tag(program));
  expect(hasTag(program, tag(program))).toBe(true);
  expect(hasTag(program, tag(program, { hash: 'sha256' }))).toBe(true);
  expect(hasTag(program, '0000000000000000')).toBe(false);
});

it('refuses what is no list of instructions', () => {
  expect(() => tag(undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  expect(() => tag([{ kind: 'ld_imm64', dst: 'r1' }] as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION' }),
  );
});
