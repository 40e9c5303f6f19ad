import { expect, onTestFinished, test, vi } from 'vitest';
import { createLab, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { call } from '../../test/command.ts';
import { statePath } from '../../test/state.ts';
import type { Finding } from '../doctor/index.ts';

vi.setConfig({ testTimeout: 300_000 });

interface Stage {
  readonly lab: Lab;
  /** What names the node of the lab to a command. */
  readonly node: readonly string[];
}

async function stage(): Promise<Stage> {
  const sys = await testSys();
  const lab = await createLab(sys);
  onTestFinished(() => lab.close());
  return { lab, node: ['--host', lab.node.path, '--directory', statePath(sys)] };
}

describeWith([root, tool('tc')], 'ambient-redirect doctor', () => {
  test('a node where it would work: with the self-test, as text', async () => {
    const { node } = await stage();
    const { code, out, err } = await call(['doctor', ...node]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const lines = out.split('\n');
    expect(lines[0]).toBe('kernel');
    expect(lines).toContain('  ✔ Redirection works on this kernel: this kernel');
    expect(lines).toContain('      pod to stranger, ipv4: outbound 198.18.0.2 to 198.18.0.3');
    expect(out.trimEnd()).toMatch(/\n\nRedirection works here, or would: 0 errors, \d+ warnings?\.$/);
  });

  test('a node where it would not: the code, what was read, what to do, and where more is said', async () => {
    const { lab, node } = await stage();
    await lab.node.exec('tc', 'qdisc', 'add', 'dev', 'v-client', 'ingress');
    const args = ['doctor', ...node, '--interface', 'v-client', '--attach', 'clsact', '--skip-self-test'];
    const quiet = await call([...args, '--quiet']);
    expect(quiet.code).toBe(1);
    expect(quiet.out).not.toContain('✔');
    expect(quiet.out).toContain(
      [
        'chains',
        '  ✖ An ingress qdisc leaves no place for app_inbound: v-client',
        '      qdisc ingress ffff: dev v-client',
        '      the option attach is clsact',
      ].join('\n'),
    );
    expect(quiet.out).toMatch(/ {6}-> Use tcx .*\n {9}docs\/doctor\.md#chain-no-egress\n/);
    expect(quiet.out).toMatch(/\nRedirection does not work here, or would not: 1 errors?, \d+ warnings?\.\n$/);

    const { code, out } = await call([...args, '--json']);
    expect(code).toBe(1);
    const told = JSON.parse(out) as { readonly ok: boolean; readonly findings: readonly Finding[] };
    expect(told.ok).toBe(false);
    expect(told.findings.filter(({ severity }) => severity === 'error')).toEqual([
      {
        code: 'chain-no-egress',
        area: 'chains',
        severity: 'error',
        subject: 'v-client',
        title: 'An ingress qdisc leaves no place for app_inbound',
        evidence: ['qdisc ingress ffff: dev v-client', 'the option attach is clsact'],
        remedy: expect.stringMatching(/^Use tcx/),
        page: 'docs/doctor.md#chain-no-egress',
      },
    ]);
    expect(told.findings.at(-1)).toMatchObject({ code: 'self-test-left-out', severity: 'info' });
  });

  test('an interface that is not there, and a directory that is no path', async () => {
    const { node } = await stage();
    const none = await call(['doctor', ...node, '--interface', 'v-none', '--skip-self-test']);
    expect(none.code).toBe(1);
    expect(none.err).toMatch(/^ambient-redirect: the host has no v-none; .*ip -brief link/);
  });
});
