import { existsSync } from 'node:fs';
import { area, type Area, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';
import { mountOf, readMounts } from './mount-table.ts';
import type { MachineScene, NetworkScene } from './scene.ts';

/** Codes of what is found of namespaces and sandboxes around this process. */
export type ContainerCode =
  | 'container-none'
  | 'container-user-namespace'
  | 'container-pid-namespace'
  | 'container-network-namespace'
  | 'container-sysctls-read-only'
  | 'container-seccomp';

/** Whether this process is of the node itself. */
export const CONTAINER: Area<ContainerCode> = area('container', {
  'container-none': {
    severity: 'ok',
    title: 'The process is in the first user and pid namespaces of the machine',
    cause: 'What it sees is what the kernel has.',
    see: ['ls -l /proc/self/ns/'],
    remedy: 'Nothing to do.',
  },
  'container-user-namespace': {
    severity: 'error',
    title: 'The process is in a user namespace of its own',
    cause:
      'Capabilities of a user namespace that is not the first do not count for bpf(2): the kernel refuses programs and maps, whatever `CapEff` says. Rootless containers, and nested ones, are like that.',
    see: ['ls -l /proc/self/ns/user', 'cat /proc/self/uid_map'],
    remedy:
      'Run it in a container of the node without a user namespace (`hostUsers: true` in Kubernetes, no `--userns` with docker or podman, not rootless), or on the node itself.',
  },
  'container-pid-namespace': {
    severity: 'info',
    title: 'The process is in a pid namespace of its own',
    cause:
      'Process ids here are not those of the node. Pods and the proxy cannot be named by the ids that the node shows, and whoever has the listeners of the proxy can be found only if that process is visible here.',
    see: ['ls -l /proc/self/ns/pid'],
    remedy:
      'Set `hostPID: true`, or name pods and the proxy by the paths of their network namespaces, and let the proxy hand its listeners over.',
  },
  'container-network-namespace': {
    severity: 'warning',
    title: "This is not the node's own network namespace",
    cause:
      "The host's ends of the pods' interfaces are in the first network namespace of the machine, and this process is in another: it looks at the wrong interfaces. On a node that is a container itself (kind, k3d) it is as it should be: there the node's namespace is not the first.",
    see: ['ls -l /proc/self/ns/net', 'ip -brief link'],
    remedy:
      'Set `hostNetwork: true`, or name the namespace by `--host` (`--host 1` where process 1 is the init of the node). Where the node is a container, nothing to do.',
  },
  'container-sysctls-read-only': {
    severity: 'error',
    title: 'Settings below /proc/sys/net cannot be written',
    cause:
      'Container runtimes mount /proc/sys read-only. The engine has to switch forwarding off in the namespace of the proxy, and the reverse path filter at its interface.',
    see: ['grep " /proc/sys" /proc/self/mountinfo'],
    remedy: 'Run it privileged (`securityContext.privileged: true`), or with /proc mounted from the node.',
  },
  'container-seccomp': {
    severity: 'info',
    title: 'A filter decides which system calls may be made',
    cause:
      'The profiles of container runtimes let bpf(2), setns(2) and pidfd_getfd(2) through or not by the capabilities of the container. A profile that refuses one looks like a missing privilege.',
    see: ['grep Seccomp /proc/self/status'],
    remedy:
      'Nothing to do if the self-test passes. If it does not: `seccompProfile: { type: Unconfined }`, or a profile with these calls.',
  },
});

/** Inode numbers of the first namespaces (`PROC_USER_INIT_INO` and `PROC_PID_INIT_INO` of Linux' include/linux/proc_ns.h). */
const FIRST = { user: 'user:[4026531837]', pid: 'pid:[4026531836]' } as const;

/** Whether this process is in a namespace that is not the first of its kind. A kernel that has none of a kind has no such file. */
export function hasOwn(machine: Machine, kind: keyof typeof FIRST): boolean {
  return (machine.link(`/proc/self/ns/${kind}`) ?? FIRST[kind]) !== FIRST[kind];
}

/** Looks which namespaces this process is in, and what its sandbox keeps from it. */
export function checkContainer({ machine }: MachineScene): Finding[] {
  const found: Finding[] = [];
  const told = (kind: 'user' | 'pid'): string => {
    const path = `/proc/self/ns/${kind}`;
    return `${path}: ${machine.link(path) ?? 'not there'}; the first is ${FIRST[kind]}`;
  };
  if (hasOwn(machine, 'user')) {
    const map = (machine.read('/proc/self/uid_map') ?? 'not told').replace(/\s+/g, ' ');
    found.push(
      CONTAINER.finding('container-user-namespace', 'this process', [told('user'), `/proc/self/uid_map: ${map}`]),
    );
  }
  if (hasOwn(machine, 'pid')) found.push(CONTAINER.finding('container-pid-namespace', 'this process', [told('pid')]));
  const sysctls = mountOf(readMounts(machine), '/proc/sys/net');
  if (sysctls?.isReadOnly === true)
    found.push(CONTAINER.finding('container-sysctls-read-only', sysctls.path, [sysctls.line]));
  if (found.length === 0) found.push(CONTAINER.finding('container-none', 'this process', [told('user'), told('pid')]));
  const seccomp = /^Seccomp:\s*(\d)$/m.exec(machine.read('/proc/self/status') ?? '')?.[1] ?? '0';
  if (seccomp !== '0')
    found.push(CONTAINER.finding('container-seccomp', 'this process', [`/proc/self/status: Seccomp ${seccomp}`]));
  return found;
}

/** A setting that only the first network namespace has (`net_core_table` of Linux' net/core/sysctl_net_core.c). */
const FIRST_ONLY = '/proc/sys/net/core/netdev_max_backlog';

/** Looks whether the network is the node's. Who names a namespace knows which. */
export function checkNetworkNamespace({ host, isHostNamed }: NetworkScene): Finding[] {
  if (isHostNamed || host.netns.run(() => existsSync(FIRST_ONLY))) return [];
  return [
    CONTAINER.finding('container-network-namespace', `net:[${host.netns.inode}]`, [
      `${FIRST_ONLY} is not there: only the first network namespace has it`,
    ]),
  ];
}
