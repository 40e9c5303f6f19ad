import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from './temp.ts';

let earlier = '';

test('a temporary directory is there for the test', () => {
  earlier = tempDir();
  writeFileSync(join(earlier, 'file'), 'text');
  expect(existsSync(join(earlier, 'file'))).toBe(true);
});

test('and gone after it', () => {
  expect(earlier).not.toBe('');
  expect(existsSync(earlier)).toBe(false);
});
