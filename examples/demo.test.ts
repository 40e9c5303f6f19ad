import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('npm run demo works', () => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'demo'], { encoding: 'utf8' });
  expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('npm warn'))).toEqual([]);
  expect(stdout).toContain('the same bytes');
  expect(status).toBe(0);
});
