/** What is around the process: made for real, by processes in namespaces of their own and with fewer privileges. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { ensureBpffs, findBpffs, openSys } from 'netlink-tc';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createLab } from '../../../../test/support/lab.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { COMMAND } from '../../test/command.ts';
import type { Finding } from './finding.ts';

// Each is a process that is started from its sources.
vi.setConfig({ testTimeout: 300_000 });

interface Told {
  readonly exitCode: number | null;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** What the doctor says, run by another command. */
async function doctor(by: readonly string[], ...options: readonly string[]): Promise<Told> {
  const [file = '', ...argv] = [...by, ...COMMAND, 'doctor', '--json', ...options];
  const child = spawn(file, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => (out += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (err += part));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  if (out === '') throw new Error(`${file} ended with ${exitCode}: ${err}`);
  return { exitCode, ...(JSON.parse(out) as Omit<Told, 'exitCode'>) };
}

/** The self-tests of a process that are going on. */
function selfTests(pid: number | undefined): string[] {
  return findBpffs().flatMap((path) => readdirSync(path).filter((name) => name.startsWith(`ambient-doctor-${pid}-`)));
}

/** What a shell does first, in a mount namespace of its own. */
const mounts = (script: string): readonly string[] => ['unshare', '-m', 'sh', '-c', `${script} && exec "$@"`, 'sh'];

function bySeverity({ findings }: Told, severity: Finding['severity']): string[] {
  return findings.filter((finding) => finding.severity === severity).map(({ code, subject }) => `${code} ${subject}`);
}

const ELSEWHERE = ['--directory', '/sys/fs/bpf/ambient-none', '--skip-self-test'];

describeWith([root, tool('unshare'), tool('setpriv'), tool('nsenter')], 'what is around the process', () => {
  beforeAll(async () => {
    ensureBpffs(await openSys());
  });

  test('an ordinary user is told each capability that is missing', async () => {
    const told = await doctor(
      ['setpriv', '--reuid=65534', '--clear-groups'],
      '--directory',
      '/sys/fs/bpf/ambient-none',
    );
    expect(told).toMatchObject({ exitCode: 77, ok: false });
    const errors = bySeverity(told, 'error');
    expect(errors.slice(0, 3)).toEqual([
      'privileges-missing CAP_BPF',
      'privileges-missing CAP_NET_ADMIN',
      'privileges-missing CAP_SYS_ADMIN',
    ]);
    expect(errors.at(-1)).toBe('self-test-failed this kernel');
    expect(bySeverity(told, 'warning')).toContain('privileges-no-ptrace CAP_SYS_PTRACE');
  });

  test.each([
    ['net_admin', 'privileges-missing CAP_NET_ADMIN', 77],
    ['sys_admin', 'privileges-missing CAP_SYS_ADMIN', 77],
  ])('root without %s', async (name, expected, exitCode) => {
    const told = await doctor(
      ['setpriv', `--bounding-set=-${name}`, `--inh-caps=-${name}`],
      '--directory',
      '/sys/fs/bpf/ambient-none',
    );
    expect(bySeverity(told, 'error')[0]).toBe(expected);
    expect(told.exitCode).toBe(exitCode);
  });

  test('root without sys_ptrace: the listeners of another process cannot be had', async () => {
    const told = await doctor(['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace'], ...ELSEWHERE);
    expect(bySeverity(told, 'warning')).toContain('privileges-no-ptrace CAP_SYS_PTRACE');
    expect(told.exitCode).toBe(0);
  });

  test('no bpffs: it is said, and the self-test has one of its own', async () => {
    const told = await doctor(mounts('umount /sys/fs/bpf'), '--directory', '/sys/fs/bpf/ambient-none');
    expect(bySeverity(told, 'warning')).toContain('mounts-no-bpffs /sys/fs/bpf/ambient-none');
    expect(bySeverity(told, 'ok')).toContain('self-test-passed this kernel');
  });

  test('a directory in no bpffs, and one that cannot be written', async () => {
    const elsewhere = await doctor([], '--directory', '/run/ambient-none', '--skip-self-test');
    expect(bySeverity(elsewhere, 'error')).toEqual(['mounts-elsewhere /run/ambient-none']);
    expect(elsewhere.exitCode).toBe(1);
    const readOnly = await doctor(mounts('mount -o remount,bind,ro /sys/fs/bpf'), ...ELSEWHERE);
    expect(bySeverity(readOnly, 'error')).toEqual(['mounts-bpffs-read-only /sys/fs/bpf']);
    // What the kernel does is tried in another.
    const tried = await doctor(
      mounts('mount -o remount,bind,ro /sys/fs/bpf'),
      '--directory',
      '/sys/fs/bpf/ambient-none',
    );
    expect(bySeverity(tried, 'error')).toEqual(['mounts-bpffs-read-only /sys/fs/bpf']);
    expect(bySeverity(tried, 'ok')).toContain('self-test-passed this kernel');
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s in the midst of the self-test: nothing of it stays', async (signal, exitCode) => {
    const [file = '', ...argv] = [...COMMAND, 'doctor', '--directory', '/sys/fs/bpf/ambient-none'];
    const child = spawn(file, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => (err += part));
    const closed = once(child, 'close');
    await expect.poll(() => selfTests(child.pid), { timeout: 120_000, interval: 5 }).toHaveLength(1);
    child.kill(signal);
    expect(await closed).toEqual([exitCode, null]);
    expect(err).toContain(`stopped by ${signal}`);
    expect(selfTests(child.pid)).toEqual([]);
  });

  test('/proc/sys that is read-only, as container runtimes have it', async () => {
    const told = await doctor(
      mounts('mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys'),
      ...ELSEWHERE,
    );
    expect(bySeverity(told, 'error')).toEqual(['container-sysctls-read-only /proc/sys']);
  });

  test('a user namespace: capabilities in name only', async () => {
    const told = await doctor(['unshare', '-Ur'], '--directory', '/sys/fs/bpf/ambient-none');
    expect(bySeverity(told, 'error')).toContain('container-user-namespace this process');
    expect(bySeverity(told, 'error').at(-1)).toBe('self-test-failed this kernel');
  });

  test('a pid namespace, with a bpffs that takes no part in the mounts of others', async () => {
    const told = await doctor(['unshare', '-pf', '--mount-proc'], ...ELSEWHERE);
    expect(bySeverity(told, 'info')).toContain('container-pid-namespace this process');
    expect(bySeverity(told, 'warning')).toContain('mounts-bpffs-private /sys/fs/bpf');
  });

  test('a network namespace that is not the first, unless it is named', async () => {
    const sys = await testSys();
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    const inside = await doctor(['nsenter', `--net=${lab.node.path}`], ...ELSEWHERE);
    expect(bySeverity(inside, 'warning').join()).toContain('container-network-namespace net:[');
    const named = await doctor([], '--host', lab.node.path, ...ELSEWHERE);
    expect(bySeverity(named, 'warning').join()).not.toContain('container-network-namespace');
    expect(named).toMatchObject({ ok: true, exitCode: 0 });
  });
});
