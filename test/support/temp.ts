import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** How every temporary directory of the tests begins: the check for leftovers looks for it. */
export const TEMP_PREFIX = 'ambient-test-';

/** A fresh directory, removed with all that is in it when the running test ends. Call it inside a test. */
export function tempDir(): string {
  const directory = mkdtempSync(join(tmpdir(), TEMP_PREFIX));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
