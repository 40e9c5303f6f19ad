import { createProbes, type Probes } from 'netlink-tc';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { settingsOf, type EngineOptions } from '../engine/options.ts';
import { checkContainer } from './container.ts';
import { checkAsked, checkKernel } from './kernel.ts';
import { checkLockdown } from './lockdown.ts';
import { machineAt } from './machine.ts';
import { checkMounts } from './mounts.ts';
import { mountOf, placeOf, readMounts } from './mount-table.ts';
import { checkPrivileges } from './privileges.ts';
import type { MachineScene } from './scene.ts';

/** A machine of a test's own: what cannot be made for real. */
function machine(
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
): MachineScene['machine'] {
  const directory = tempDir();
  const make = (path: string): string => {
    mkdirSync(dirname(`${directory}${path}`), { recursive: true });
    return `${directory}${path}`;
  };
  for (const [path, text] of Object.entries(files)) writeFileSync(make(path), text);
  for (const [path, target] of Object.entries(links)) symlinkSync(target, make(path));
  return machineAt(directory);
}

const ALL: Probes = {
  mapType: () => ({ answer: 'yes', since: undefined }),
  programType: () => ({ answer: 'no', since: undefined }),
  helper: () => ({ answer: 'yes', since: undefined }),
  instructionSet: () => ({ answer: 'yes', since: undefined }),
  link: () => ({ answer: 'yes', since: undefined }),
  btf: () => ({ load: { answer: 'yes', since: undefined }, kernel: { answer: 'yes', since: undefined } }),
};

async function scene(fields: Partial<MachineScene>): Promise<MachineScene> {
  return { sys: await testSys(), machine: machineAt(), probes: ALL, directory: '/sys/fs/bpf/ambient', ...fields };
}

const FIRST = { '/proc/self/ns/user': 'user:[4026531837]', '/proc/self/ns/pid': 'pid:[4026531836]' };
const BPFFS = '43 23 0:39 / /sys/fs/bpf rw,relatime - bpf bpf rw';

test('what is not there is nothing', () => {
  const none = machine({});
  expect(none.read('/proc/version')).toBeUndefined();
  expect(none.list('/etc')).toEqual([]);
  expect(none.link('/proc/self/ns/user')).toBeUndefined();
});

test.each([
  ['0', '0', ['kernel-jit-off']],
  ['1', '0', []],
  ['1', '1', []],
  ['1', '2', ['kernel-jit-hardened']],
])('the JIT with bpf_jit_enable %s and bpf_jit_harden %s', async (enable, harden, expected) => {
  const settings = machine({
    '/proc/sys/net/core/bpf_jit_enable': `${enable}\n`,
    '/proc/sys/net/core/bpf_jit_harden': `${harden}\n`,
  });
  const found = checkKernel(await scene({ machine: settings }));
  expect(found.map(({ code }) => code).filter((code) => code.startsWith('kernel-jit'))).toEqual(expected);
  for (const { evidence } of found.filter(({ code }) => code === 'kernel-jit-off'))
    expect(evidence).toEqual(['/proc/sys/net/core/bpf_jit_enable: 0']);
});

test('what each feature costs where the kernel lacks it', async () => {
  const no = { answer: 'no', since: undefined } as const;
  const probes: Probes = {
    ...ALL,
    helper: () => no,
    link: () => no,
    mapType: () => no,
    btf: () => ({ load: no, kernel: no }),
  };
  const found = checkKernel(await scene({ probes, machine: machine({ '/proc/sys/kernel/osrelease': '5.9.0' }) }));
  const missing = found.filter(({ code }) => code.startsWith('kernel-no-'));
  expect(missing.map(({ code, severity }) => `${severity} ${code}`)).toEqual([
    'error kernel-no-redirect-peer',
    'info kernel-no-tcx',
    'info kernel-no-sk-lookup',
    'warning kernel-no-ring-buffer',
    'info kernel-no-btf',
  ]);
  expect(missing[1]?.evidence).toEqual(['Linux 5.9.0 refuses it; mainline has it since 6.6']);
});

test('ways that options ask for, where the kernel lacks them', async () => {
  const no = { answer: 'no', since: undefined } as const;
  const lacking = await scene({ probes: { ...ALL, link: () => no, programType: () => no } });
  const of = (options: EngineOptions, on = lacking): string[] =>
    checkAsked({ ...on, settings: settingsOf(options) }).map(
      ({ severity, evidence }) => `${severity} ${evidence.join()}`,
    );
  expect(of({ attach: 'tcx', steer: 'sk_lookup' })).toEqual([
    'error option attach: tcx',
    'error option steer: sk_lookup',
  ]);
  expect(of({ attach: 'clsact', steer: 'tproxy' })).toEqual([]);
  expect(of({})).toEqual([]);
  expect(of({ attach: 'tcx' }, await scene({}))).toEqual([]);
});

test('what the kernel does not tell is unknown, with its reason', async () => {
  const probes: Probes = { ...ALL, helper: () => ({ answer: 'unknown', reason: 'EPERM', since: undefined }) };
  const found = checkKernel(await scene({ probes }));
  expect(found.filter(({ code }) => code === 'kernel-unknown')).toMatchObject([
    { subject: 'bpf_redirect_peer', evidence: ['EPERM'], severity: 'warning' },
  ]);
});

test.each([
  ['none [integrity] confidentiality', 'lockdown-integrity', 'ok'],
  ['none integrity [confidentiality]', 'lockdown-confidentiality', 'info'],
  ['[none] integrity confidentiality', 'lockdown-none', 'ok'],
])('lockdown %s', async (text, code, severity) => {
  const locked = machine({ '/sys/kernel/security/lockdown': `${text}\n` });
  expect(checkLockdown(await scene({ machine: locked }))).toMatchObject([
    { code, severity, evidence: [`/sys/kernel/security/lockdown: ${text}`] },
  ]);
});

test('capabilities by their names, and what each is for', async () => {
  // CAP_NET_ADMIN and CAP_BPF, then all.
  const of = async (effective: string): Promise<string[]> => {
    const status = machine({ '/proc/self/status': `Name:\tnode\nCapEff:\t${effective}\nSeccomp:\t0\n` });
    return checkPrivileges(await scene({ machine: status })).map(({ code, subject }) => `${code} ${subject}`);
  };
  expect(await of('0000008000001000')).toEqual([
    'privileges-missing CAP_SYS_ADMIN',
    'privileges-no-ptrace CAP_SYS_PTRACE',
  ]);
  expect(await of('000001ffffffffff')).toEqual([
    'privileges-held CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_PTRACE',
  ]);
  // CAP_SYS_ADMIN stands for CAP_BPF.
  expect(await of('0000000000281000')).toEqual([
    'privileges-held CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_PTRACE',
  ]);
});

test('a kernel that has no namespaces of users and processes', async () => {
  const without = machine({ '/proc/self/mountinfo': `${BPFFS}\n`, '/proc/self/status': 'Seccomp:\t0\n' });
  expect(checkContainer(await scene({ machine: without })).map(({ code }) => code)).toEqual(['container-none']);
  expect(checkMounts(await scene({ machine: without })).map(({ code }) => code)).toEqual(['mounts-bpffs']);
});

test('the filter of a container runtime', async () => {
  const filtered = machine({ '/proc/self/status': 'Seccomp:\t2\n' }, FIRST);
  const found = checkContainer(await scene({ machine: filtered }));
  expect(found.map(({ code }) => code)).toEqual(['container-none', 'container-seccomp']);
});

test.each([
  ['/sys/fs/bpf/ambient', BPFFS, FIRST['/proc/self/ns/pid'], 'mounts-bpffs'],
  ['/sys/fs/bpf/ambient', BPFFS, 'pid:[4026532000]', 'mounts-bpffs-private'],
  ['/sys/fs/bpf/ambient', BPFFS.replace('relatime', 'relatime master:7'), 'pid:[4026532000]', 'mounts-bpffs'],
  [
    '/sys/fs/bpf/ambient',
    BPFFS.replace('rw,relatime', 'ro,relatime'),
    FIRST['/proc/self/ns/pid'],
    'mounts-bpffs-read-only',
  ],
  // The file system itself, whatever its mounts are.
  [
    '/sys/fs/bpf/ambient',
    BPFFS.replace('bpf bpf rw', 'bpf bpf ro,mode=700'),
    FIRST['/proc/self/ns/pid'],
    'mounts-bpffs-read-only',
  ],
  ['/sys/fs/bpf/ambient', '', FIRST['/proc/self/ns/pid'], 'mounts-no-bpffs'],
  ['/sys/fs/bpfs/run/ambient', '', FIRST['/proc/self/ns/pid'], 'mounts-elsewhere'],
  ['/run/ambient', BPFFS, FIRST['/proc/self/ns/pid'], 'mounts-elsewhere'],
])('%s, %s, %s', async (directory, line, pid, code) => {
  const info = `23 27 0:22 / / rw,relatime - ext4 /dev/vda rw\n${line}\n`;
  const mounted = machine({ '/proc/self/mountinfo': info }, { '/proc/self/ns/pid': pid });
  expect(checkMounts(await scene({ machine: mounted, directory })).map((each) => each.code)).toEqual([code]);
});

test('of several mounts the innermost counts, and of those at one place the last', () => {
  const mounts = readMounts(
    machine({
      '/proc/self/mountinfo': [
        '1 0 0:1 / / rw - ext4 a rw',
        '2 1 0:2 / /a rw - bpf b rw',
        '3 2 0:3 / /a/b\\040c ro shared:4 - tmpfs c rw',
        '4 1 0:4 / /a rw - tmpfs d rw',
      ].join('\n'),
    }),
  );
  expect(mountOf(mounts, '/a/x')?.kind).toBe('tmpfs');
  expect(mountOf(mounts, '/ab')?.kind).toBe('ext4');
  expect(mountOf(mounts, '/a/b c/d')).toMatchObject({ path: '/a/b c', isReadOnly: true, isShared: true });
});

test('a place is one, by whatever mount it is reached', () => {
  const mounts = readMounts(
    machine({
      '/proc/self/mountinfo': [
        '1 0 0:1 / / rw - ext4 a rw',
        '2 1 0:39 / /sys/fs/bpf rw - bpf b rw',
        '3 1 0:39 / /host/bpf rw - bpf b rw',
        '4 1 0:39 /tc /run/tc rw - bpf b rw',
        '5 1 0:40 / /run/bpf rw - bpf b rw',
      ].join('\n'),
    }),
  );
  const places = ['/sys/fs/bpf/tc/x', '/host/bpf/tc/x', '/run/tc/x', '/run/bpf/tc/x', '/tc/x'];
  expect(places.map((path) => placeOf(mounts, path))).toEqual([
    '0:39 /tc/x',
    '0:39 /tc/x',
    '0:39 /tc/x',
    '0:40 /tc/x',
    '0:1 /tc/x',
  ]);
  expect(['/sys/fs/bpf', '/run/tc'].map((path) => placeOf(mounts, path))).toEqual(['0:39 /', '0:39 /tc']);
});

describeWith([root], 'the machine of the tests', () => {
  test('has what an engine takes', async () => {
    const sys = await testSys();
    const found = checkKernel(await scene({ sys, probes: createProbes(sys) }));
    expect(found.filter(({ severity }) => severity === 'error' || severity === 'warning')).toEqual([]);
    expect(found[0]?.evidence[0]).toMatch(/^it has bpf_redirect_peer.*BPF_LINK_UPDATE, the ring buffer/);
  });
});
