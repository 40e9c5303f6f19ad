import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../cli/commands/index.ts';
import { ALL_AREAS } from './codes.ts';
import { AREAS } from './finding.ts';

const CODES = ALL_AREAS.flatMap(({ name: area, codes }) =>
  Object.entries(codes).map(([code, { title, cause, see, remedy }]) => ({ area, code, title, cause, see, remedy })),
);
const PAGE = readFileSync(new URL('../../../../docs/doctor.md', import.meta.url), 'utf8');

describe('codes', () => {
  test('every area is told once, every code is of one area', () => {
    expect(ALL_AREAS.map(({ name }) => name)).toEqual([...AREAS]);
    expect(new Set(CODES.map(({ code }) => code)).size).toBe(CODES.length);
    for (const { code } of CODES) expect(code).toMatch(/^[a-z]+(-[a-z]+)+$/);
  });

  test('every code has a section of the page, and every section is of a code', () => {
    const sections = [...PAGE.matchAll(/^### (\S+)$/gm)].map(([, code]) => code);
    expect(sections).toEqual(CODES.map(({ code }) => code));
    for (const { area, code } of CODES) {
      const finding = ALL_AREAS.find(({ name }) => name === area)?.finding(code, 'x', []);
      expect(finding?.page).toBe(`docs/doctor.md#${code}`);
    }
  });

  test('what is said of a code is in sentences, and of commands that there are', () => {
    for (const { code, title, cause, remedy, see } of CODES) {
      expect(title, code).toMatch(/^[A-Z/].*[^.]$/);
      expect(cause, code).toMatch(/\.$/);
      expect(remedy, code).toMatch(/\.$/);
      expect(see.length, code).toBeGreaterThan(0);
    }
    const names = COMMANDS.map(({ name }) => name);
    const text = CODES.flatMap(({ cause, remedy, see }) => [cause, remedy, see.join('\n')]).join('\n');
    for (const [, rest = ''] of text.matchAll(/ambient-redirect ([a-z]+(?: [a-z]+)?)/g)) {
      const known = names.some((name) => rest === name || rest.startsWith(`${name} `) || rest.split(' ')[0] === name);
      expect(known, `ambient-redirect ${rest}`).toBe(true);
    }
  });
});
