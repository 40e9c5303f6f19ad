import { readFileSync } from 'node:fs';
import type { ProgramType } from 'bpf-asm';
import type { Sys } from '../sys/index.ts';

/** Numbers of the capabilities that this package can need (capabilities(7)). */
export const CAPABILITY = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

/** Name of a capability. */
export type Capability = keyof typeof CAPABILITY;

/** What the running process may do, as far as bpf(2) asks. */
export interface Privileges {
  /** The effective capabilities among those of {@link CAPABILITY}. */
  readonly capabilities: readonly Capability[];
  /** `kernel.unprivileged_bpf_disabled`: 0 no, 1 and 2 yes; undefined where it cannot be read. */
  readonly unprivilegedBpfDisabled: number | undefined;
  /** What the kernel is locked down to (`none`, `integrity`, `confidentiality`); undefined where it has no lockdown. */
  readonly lockdown: string | undefined;
}

/** Program types that need nothing of the network, and may read the kernel's memory. */
const TRACING: ReadonlySet<ProgramType> = new Set<ProgramType>([
  'kprobe',
  'tracepoint',
  'perf_event',
  'raw_tracepoint',
  'tracing',
  'lsm',
  'ext',
]);

/** What loading a program of a type asks for. */
export function programNeeds(type: ProgramType): readonly Capability[] {
  return ['CAP_BPF', TRACING.has(type) ? 'CAP_PERFMON' : 'CAP_NET_ADMIN'];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Reads what the running process may do. */
export function readPrivileges(): Privileges {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '0'}`);
  const names = Object.keys(CAPABILITY) as Capability[];
  const disabled = read('/proc/sys/kernel/unprivileged_bpf_disabled')?.trim();
  return {
    capabilities: names.filter((name) => ((effective >> BigInt(CAPABILITY[name])) & 1n) === 1n),
    unprivilegedBpfDisabled: disabled === undefined ? undefined : Number(disabled),
    lockdown: /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '')?.[1],
  };
}

/**
 * Says why the kernel answered EPERM: the capabilities that are missing, the limit on locked memory, or lockdown.
 * @param needs what the refused call asks for; `CAP_SYS_ADMIN` stands for `CAP_BPF` and `CAP_PERFMON` too
 */
export function explainPermission(sys: Sys, needs: readonly Capability[]): string {
  return sys.backend === 'fake' ? `it needs ${needs.join(' and ')}` : whatIsMissing(needs, readPrivileges());
}

/** What a process with these privileges lacks for a call that was refused, as far as that can be told. */
export function whatIsMissing(needs: readonly Capability[], privileges: Privileges): string {
  const { capabilities, unprivilegedBpfDisabled, lockdown } = privileges;
  const admin = capabilities.includes('CAP_SYS_ADMIN');
  const implied = (name: Capability): boolean => admin && (name === 'CAP_BPF' || name === 'CAP_PERFMON');
  const missing = needs.filter((name) => !capabilities.includes(name) && !implied(name));
  if (missing.length > 0) {
    const setting = unprivilegedBpfDisabled === 0 ? '' : ' (kernel.unprivileged_bpf_disabled is set)';
    return `the process lacks ${missing.join(' and ')}${setting}: run it as root, or give it these capabilities`;
  }
  if (lockdown === 'confidentiality')
    return 'the kernel is locked down to confidentiality, which refuses BPF that reads memory';
  return 'all capabilities are there: look for RLIMIT_MEMLOCK, a security module, or a user namespace that is not the first';
}
