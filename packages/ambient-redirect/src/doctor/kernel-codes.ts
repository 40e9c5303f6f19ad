import type { CodeSpec } from './finding.ts';

/** Codes of what is found of the kernel. */
export type KernelCode =
  | 'kernel-has'
  | 'kernel-no-redirect-peer'
  | 'kernel-no-tcx'
  | 'kernel-no-sk-lookup'
  | 'kernel-no-link-update'
  | 'kernel-no-ring-buffer'
  | 'kernel-no-batch'
  | 'kernel-no-btf'
  | 'kernel-lacks-asked'
  | 'kernel-unknown'
  | 'kernel-jit-off'
  | 'kernel-jit-hardened';

const PROBE = ['uname -r', 'bpftool feature probe kernel'];

/** What is said of them. */
export const KERNEL_CODES: Readonly<Record<KernelCode, CodeSpec>> = {
  'kernel-has': {
    severity: 'ok',
    title: 'The kernel has these',
    cause:
      'Each was tried: distributions take features back to older kernels, and switch them off in newer ones, so a version proves nothing.',
    see: PROBE,
    remedy: 'Nothing to do.',
  },
  'kernel-no-redirect-peer': {
    severity: 'error',
    title: 'Programs cannot hand packets to the other end of a pair',
    cause:
      'Every redirection hands packets over by `bpf_redirect_peer`, which Linux has since 5.10. There is no other way that keeps what is known of a packet.',
    see: PROBE,
    remedy: 'Boot a kernel of 5.10 or newer.',
  },
  'kernel-no-tcx': {
    severity: 'info',
    title: 'Programs are attached by filters of clsact, for want of tcx',
    cause:
      'Without tcx (Linux 6.6) a program is a filter: whoever deletes the qdisc takes it away, an `ingress` qdisc on the interface leaves no place for `app_inbound`, and who has the same priority comes before or after by age.',
    see: PROBE,
    remedy: 'Nothing to do. Keep an eye on the findings of the chains; with Linux 6.6 or newer they matter less.',
  },
  'kernel-no-sk-lookup': {
    severity: 'info',
    title: 'Connections are steered to the proxy packet by packet',
    cause:
      'Without `sk_lookup` programs that see the interface (Linux 5.17) the program `ztunnel_tproxy` looks at each packet that reaches the proxy, and marks it; a client that takes a source port anew soon may wait some milliseconds. Listeners that share their ports (`SO_REUSEPORT`) get nothing in this way before Linux 6.6.',
    see: PROBE,
    remedy:
      'Have the proxy open its ports without `SO_REUSEPORT` (HAProxy: `noreuseport`). With Linux 5.17 or newer a connection is steered once, and its packets meet no program at the proxy.',
  },
  'kernel-no-link-update': {
    severity: 'error',
    title: 'Links cannot be given another program',
    cause:
      'A new version takes over by putting its program in the place of the old one, with no packet between them. That needs `BPF_LINK_UPDATE` (Linux 5.7).',
    see: PROBE,
    remedy: 'Boot a kernel of 5.10 or newer.',
  },
  'kernel-no-ring-buffer': {
    severity: 'warning',
    title: 'Packets cannot be watched',
    cause:
      'Programs tell of packets by a ring buffer (Linux 5.8). Without one `trace` has nothing to read; counters are there all the same.',
    see: PROBE,
    remedy:
      'Boot a kernel of 5.8 or newer to trace. Read counters by `ambient-redirect status` and `/metrics` meanwhile.',
  },
  'kernel-no-batch': {
    severity: 'info',
    title: 'Maps are read and written entry by entry',
    cause:
      'Many entries in one system call take Linux 5.6. Without, enrolling many pods and reading counters takes some times as long.',
    see: PROBE,
    remedy: 'Nothing to do.',
  },
  'kernel-no-btf': {
    severity: 'info',
    title: 'The kernel does not tell its own types',
    cause: 'No program of ours needs them. `bpftool` shows less of maps and programs without, and so do others.',
    see: ['ls -l /sys/kernel/btf/vmlinux'],
    remedy: 'Nothing to do. A kernel that is built with `CONFIG_DEBUG_INFO_BTF` has them.',
  },
  'kernel-lacks-asked': {
    severity: 'error',
    title: 'The kernel lacks what an option asks for',
    cause:
      'With `auto` the engine takes another way where the kernel lacks one. An option that names a way leaves it none: enrolling a pod, or naming the proxy, fails.',
    see: PROBE,
    remedy:
      'Leave the options `attach` and `steer` out, or give them as `auto`; or boot a newer kernel: tcx is of Linux 6.6, sk_lookup that sees the interface of 5.17.',
  },
  'kernel-unknown': {
    severity: 'warning',
    title: 'Whether the kernel has it could not be found out',
    cause: 'The kernel refused the trial for another reason: a privilege is missing, or something filters bpf(2).',
    see: ['grep -E "Cap|Seccomp" /proc/self/status'],
    remedy: 'Run the doctor with the privileges of the agent, and see what is said of these.',
  },
  'kernel-jit-off': {
    severity: 'warning',
    title: 'Programs are interpreted',
    cause:
      'The JIT is switched off. Everything works, and each packet of each pod takes many times as long in our programs.',
    see: ['cat /proc/sys/net/core/bpf_jit_enable'],
    remedy:
      'Switch it on: `sysctl -w net.core.bpf_jit_enable=1`. Programs that are loaded stay interpreted until they are exchanged.',
  },
  'kernel-jit-hardened': {
    severity: 'info',
    title: 'Programs of root, too, are compiled with blinded constants',
    cause:
      '`bpf_jit_harden` is 2: each constant of a program is hidden by two more instructions. Our programs have the facts of a node as constants, and so get longer and slower.',
    see: ['cat /proc/sys/net/core/bpf_jit_harden'],
    remedy: 'Nothing to do, unless each nanosecond counts: 1 hardens the programs of ordinary users alone.',
  },
};
