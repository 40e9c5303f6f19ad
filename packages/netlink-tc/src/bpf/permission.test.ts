import { expect, test } from 'vitest';
import { CAPABILITY, readPrivileges, whatIsMissing, type Privileges } from './permission.ts';

const ROOT: Privileges = {
  capabilities: ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON', 'CAP_SYS_ADMIN'],
  unprivilegedBpfDisabled: 2,
  lockdown: 'none',
};

test.each<[missing: string, privileges: Partial<Privileges>]>([
  ['lacks CAP_BPF and CAP_NET_ADMIN (kernel.unprivileged_bpf_disabled is set): run it as root', { capabilities: [] }],
  ['lacks CAP_BPF and CAP_NET_ADMIN: run it as root', { capabilities: [], unprivilegedBpfDisabled: 0 }],
  ['lacks CAP_NET_ADMIN', { capabilities: ['CAP_BPF'] }],
  ['lacks CAP_NET_ADMIN', { capabilities: ['CAP_SYS_ADMIN'] }],
  ['lacks CAP_BPF', { capabilities: ['CAP_NET_ADMIN'], lockdown: 'confidentiality' }],
  ['locked down to confidentiality', { lockdown: 'confidentiality' }],
  ['look for RLIMIT_MEMLOCK, a security module', { lockdown: 'integrity' }],
  ['look for RLIMIT_MEMLOCK, a security module', { lockdown: undefined }],
])('%s', (words, privileges) => {
  expect(whatIsMissing(['CAP_BPF', 'CAP_NET_ADMIN'], { ...ROOT, ...privileges })).toContain(words);
});

test('what the process may do is read', () => {
  const { capabilities, lockdown } = readPrivileges();
  for (const name of capabilities) expect(Object.keys(CAPABILITY)).toContain(name);
  expect([undefined, 'none', 'integrity', 'confidentiality']).toContain(lockdown);
});
