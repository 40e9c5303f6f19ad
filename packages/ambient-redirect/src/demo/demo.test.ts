import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mainCommand } from '../../../../test/support/main-command.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import type { DemoReport } from './report.ts';

/** The demo by itself, and the command that shows it. */
const STARTS = { 'npm run demo': ['main.ts'], 'ambient-redirect demo': ['../cli/main.ts', 'demo'] } as const;

function demo(
  argv: readonly string[],
  { start = 'npm run demo', ...options }: { readonly start?: keyof typeof STARTS; readonly uid?: number } = {},
): SpawnSyncReturns<string> {
  const [file, ...before] = STARTS[start];
  const [node, main] = mainCommand(new URL(file, import.meta.url));
  return spawnSync(node, [main, ...before, ...argv], { encoding: 'utf8', timeout: 110_000, ...options });
}

describeWith([root], 'the demo', () => {
  test.each([
    ['npm run demo', 'tcx', 'sk_lookup'],
    ['ambient-redirect demo', 'clsact', 'tproxy'],
  ] as const)('%s, by %s and %s: all is as told', { timeout: 120_000 }, (start, attach, steer) => {
    const { status, stdout, stderr } = demo(['--json', `--attach=${attach}`, `--steer=${steer}`], { start });
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

describe('its options', () => {
  test('refuses an option that it does not have', () => {
    const { status, stderr } = demo(['--kep']);
    expect(stderr).toContain("'--kep'");
    expect(status).toBe(2);
  });
});
