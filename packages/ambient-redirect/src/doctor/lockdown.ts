import { area, type Area, type Finding } from './finding.ts';
import type { MachineScene } from './scene.ts';

/** Codes of what is found of lockdown. */
export type LockdownCode = 'lockdown-none' | 'lockdown-integrity' | 'lockdown-confidentiality';

const SEE = ['cat /sys/kernel/security/lockdown'];

/** What the kernel keeps even from root (kernel_lockdown(7)). */
export const LOCKDOWN: Area<LockdownCode> = area('lockdown', {
  'lockdown-none': {
    severity: 'ok',
    title: 'The kernel is not locked down',
    cause:
      'Lockdown takes from root what could change the running kernel, or read its memory. A kernel that is built without it has no such file.',
    see: SEE,
    remedy: 'Nothing to do.',
  },
  'lockdown-integrity': {
    severity: 'ok',
    title: 'The kernel is locked down to integrity',
    cause: 'That refuses programs that write the memory of processes. None of ours does.',
    see: SEE,
    remedy: 'Nothing to do.',
  },
  'lockdown-confidentiality': {
    severity: 'info',
    title: 'The kernel is locked down to confidentiality',
    cause:
      "That refuses the helpers by which programs read the kernel's memory. None of ours calls one; tools that trace do.",
    see: SEE,
    remedy: 'Nothing to do if the self-test passes. Tools such as `bpftrace` do not work on this node.',
  },
});

/** Looks whether the kernel is locked down. */
export function checkLockdown({ machine }: MachineScene): Finding[] {
  const path = '/sys/kernel/security/lockdown';
  const text = machine.read(path);
  const level = /\[(\w+)\]/.exec(text ?? '')?.[1] ?? 'none';
  const code = level === 'integrity' || level === 'confidentiality' ? (`lockdown-${level}` as const) : 'lockdown-none';
  return [LOCKDOWN.finding(code, 'the kernel', [text === undefined ? `${path} is not there` : `${path}: ${text}`])];
}
