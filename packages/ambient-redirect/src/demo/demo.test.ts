import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import type { DemoReport } from './report.ts';

const COMMAND = ['--conditions=@ambient/source', '--import', 'tsx', fileURLToPath(new URL('main.ts', import.meta.url))];

function demo(argv: readonly string[], options: { readonly uid?: number } = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...COMMAND, ...argv], { encoding: 'utf8', timeout: 110_000, ...options });
}

describeWith([root], 'npm run demo', () => {
  test.each([
    ['tcx', 'sk_lookup'],
    ['clsact', 'tproxy'],
  ])('by %s and %s: all is as told', { timeout: 120_000 }, (attach, steer) => {
    const { status, stdout, stderr } = demo(['--json', `--attach=${attach}`, `--steer=${steer}`]);
    expect(stderr).toBe('');
    const report = JSON.parse(stdout) as DemoReport;
    expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(report).toMatchObject({ ok: true, attached: attach, steering: { mode: steer } });
    expect(report.checks.length).toBeGreaterThan(15);
    expect(status).toBe(0);
    expect(readdirSync('/sys/fs/bpf').filter((name) => name.startsWith('ambient-demo-'))).toEqual([]);
  });

  test('an ordinary user gets one line that says what is missing', () => {
    const { status, stdout, stderr } = demo([], { uid: 65_534 });
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^The demo cannot run here: .*CAP_SYS_ADMIN.*\n$/);
    expect(status).toBe(2);
  });
});

describe('the demo', () => {
  test('refuses an option that it does not have', () => {
    const { status, stderr } = demo(['--kep']);
    expect(stderr).toContain("'--kep'");
    expect(status).toBe(2);
  });
});
