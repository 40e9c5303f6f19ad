import { CAPABILITY, type Capability } from 'netlink-tc';
import { area, type Area, type Finding } from './finding.ts';
import type { MachineScene } from './scene.ts';

/** Codes of what is found of this process's privileges. */
export type PrivilegeCode =
  'privileges-held' | 'privileges-missing' | 'privileges-no-ptrace' | 'privileges-not-looked-at';

/** What this process may do. */
export const PRIVILEGES: Area<PrivilegeCode> = area('privileges', {
  'privileges-held': {
    severity: 'ok',
    title: 'The process has the privileges that the engine takes',
    cause:
      '`CAP_BPF` to load programs and make maps, `CAP_NET_ADMIN` to attach them and to set routes and rules, `CAP_SYS_ADMIN` to enter network namespaces and to read programs of others, `CAP_SYS_PTRACE` to take the listeners of the proxy.',
    see: ['grep CapEff /proc/self/status'],
    remedy: 'Nothing to do.',
  },
  'privileges-missing': {
    severity: 'error',
    title: 'A capability is missing that nothing works without',
    cause:
      'The kernel refuses what the engine does with EPERM. In a container the capabilities are those of its security context, whatever user it runs as; in a user namespace they do not count for bpf(2) at all.',
    see: ['grep CapEff /proc/self/status', 'grep NoNewPrivs /proc/self/status'],
    remedy: 'Run it as root of the node, or give it CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_SYS_PTRACE.',
  },
  'privileges-no-ptrace': {
    severity: 'warning',
    title: 'The listeners of the proxy cannot be taken from its process',
    cause:
      'Steering by `sk_lookup` puts the listening sockets of the proxy into a map, and takes them by pidfd_getfd(2), which asks for `CAP_SYS_PTRACE`. Without it connections are steered by tproxy, unless the proxy hands its listeners over.',
    see: ['grep CapEff /proc/self/status'],
    remedy: 'Give it CAP_SYS_PTRACE, or live with tproxy.',
  },
  'privileges-not-looked-at': {
    severity: 'error',
    title: 'Something could not be looked at for want of a privilege',
    cause: 'The kernel answered EPERM. What is said there tells what it asked for.',
    see: ['grep -E "Cap|Seccomp" /proc/self/status'],
    remedy: 'Run the doctor with the privileges of the agent.',
  },
});

/** What each capability is for; `CAP_SYS_ADMIN` has those of `CAP_BPF`. */
const NEEDED: Readonly<Partial<Record<Capability, string>>> = {
  CAP_BPF: 'to load programs and make maps',
  CAP_NET_ADMIN: 'to attach programs, and to set routes and rules',
  CAP_SYS_ADMIN: 'to enter network namespaces, and to read programs of others',
  CAP_SYS_PTRACE: "to take the proxy's listeners",
};

/** Looks which capabilities are in effect. */
export function checkPrivileges({ machine }: MachineScene): Finding[] {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(machine.read('/proc/self/status') ?? '');
  const effective = BigInt(`0x${line?.[1] ?? '0'}`);
  const has = (name: Capability): boolean => ((effective >> BigInt(CAPABILITY[name])) & 1n) === 1n;
  const evidence = `/proc/self/status: CapEff ${line?.[1] ?? 'is not told'}`;
  const names = Object.keys(NEEDED) as Capability[];
  const missing = names.filter((name) => !has(name) && !(name === 'CAP_BPF' && has('CAP_SYS_ADMIN')));
  if (missing.length === 0) return [PRIVILEGES.finding('privileges-held', names.join(', '), [evidence])];
  return missing.map((name) =>
    PRIVILEGES.finding(name === 'CAP_SYS_PTRACE' ? 'privileges-no-ptrace' : 'privileges-missing', name, [
      evidence,
      `it is needed ${NEEDED[name]}`,
    ]),
  );
}
