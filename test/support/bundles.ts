/** What the tests run as processes of their own, bundled before the first of them: a vitest global set-up. */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { bundleMains } from '../../scripts/bundle-mains.ts';
import { BUNDLES } from './main-command.ts';

/** Called by vitest before the first test; what it returns is called after the last. */
export async function setup(project: TestProject): Promise<(() => void) | undefined> {
  // Where others have made them, as for a machine that is emulated.
  if (process.env[BUNDLES] !== undefined) return undefined;
  const directory = fileURLToPath(new URL(`../../node_modules/.ambient-mains-${process.pid}`, import.meta.url));
  await bundleMains(directory);
  project.onTestsRerun(() => bundleMains(directory));
  process.env[BUNDLES] = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}
