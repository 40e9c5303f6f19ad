import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('a packet filter, from the language to an object file', () => {
  const file = fileURLToPath(new URL('packet-filter.ts', import.meta.url));
  const command = ['--conditions=@ambient/source', '--import', 'tsx', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toContain('Lint: nothing to find fault with');
  expect(stdout.match(/^ {2}✓ /gm)).toHaveLength(12);
  expect(stdout).not.toContain('✗');
  expect(stdout).toContain('Everything is as told.');
  expect(status).toBe(0);
});
