import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('npm run demo works', () => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'demo'], { encoding: 'utf8' });
  expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('npm warn'))).toEqual([]);
  expect(stdout).toContain('Lint: nothing to find fault with');
  expect(stdout.match(/^ {2}✓ /gm)).toHaveLength(12);
  expect(stdout).not.toContain('✗');
  expect(stdout).toContain('Everything is as told.');
  expect(status).toBe(0);
});
