import { expect, test } from 'vitest';
import { forbiddenText } from './check-text.ts';

test.each([
  ['src/a.ts', `read('/home/someone/file')`],
  ['README.md', 'see /work/somewhere/else'],
  ['package-lock.json', `"resolved": "https://example.org/x.tgz"`],
  ['notes.md', ['from registry', 'example', 'org'].join('.')],
  ['src/a.ts', '// TODO later'],
  ['src/a.ts', '// @ts-ignore'],
  ['src/a.test.ts', `describe.only('x', () => {});`],
])('%s: %s is found', (path, line) => {
  expect(forbiddenText(path, `first\n${line}\n`)).toEqual([expect.stringContaining(`${path}:2: `)]);
});

test.each([
  ['src/a.ts', `const path = '/sys/fs/bpf'; import '../work/x.ts';`],
  ['README.md', 'the Debian registry of packages; a test.only in words'],
])('%s: %s is fine', (path, line) => {
  expect(forbiddenText(path, line)).toEqual([]);
});
