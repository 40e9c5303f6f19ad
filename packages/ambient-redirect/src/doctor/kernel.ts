import { BPF_COMMAND, errnoName, type BpfCommand, type ProbeResult, type Sys } from 'netlink-tc';
import { constants } from 'node:os';
import { lookupMissing } from '../engine/steering.ts';
import { area, type Area, type Finding } from './finding.ts';
import { KERNEL_CODES, type KernelCode } from './kernel-codes.ts';
import type { MachineScene, NetworkScene } from './scene.ts';

const { EBADF, EINVAL } = constants.errno;

/** The kernel: what it has, and what it costs where it does not. */
export const KERNEL: Area<KernelCode> = area('kernel', KERNEL_CODES);

interface Feature {
  readonly code: KernelCode;
  readonly name: string;
  /** The first mainline kernel that has it. */
  readonly since: string;
  readonly ask: (scene: MachineScene) => Pick<ProbeResult, 'answer' | 'reason'>;
}

const FEATURES: readonly Feature[] = [
  {
    code: 'kernel-no-redirect-peer',
    name: 'bpf_redirect_peer',
    since: '5.10',
    ask: ({ probes }) => probes.helper('sched_cls', 'redirect_peer'),
  },
  { code: 'kernel-no-tcx', name: 'tcx', since: '6.6', ask: ({ probes }) => probes.link('tcx') },
  {
    code: 'kernel-no-sk-lookup',
    name: 'sk_lookup that sees the interface',
    since: '5.17',
    ask: ({ sys, probes }) => {
      const type = probes.programType('sk_lookup');
      if (type.answer !== 'yes') return type;
      return { answer: lookupMissing(sys) === undefined ? 'yes' : 'no' };
    },
  },
  {
    code: 'kernel-no-link-update',
    name: 'BPF_LINK_UPDATE',
    since: '5.7',
    // No link has the descriptor -1: who has the command says that.
    ask: ({ sys }) => command(sys, 'BPF_LINK_UPDATE', { size: 16, descriptorAt: 0 }),
  },
  {
    code: 'kernel-no-ring-buffer',
    name: 'the ring buffer',
    since: '5.8',
    ask: ({ probes }) => probes.mapType('ringbuf'),
  },
  {
    code: 'kernel-no-batch',
    name: 'batches of map entries',
    since: '5.6',
    ask: ({ sys }) => command(sys, 'BPF_MAP_LOOKUP_BATCH', { size: 56, descriptorAt: 36 }),
  },
  { code: 'kernel-no-btf', name: 'types of its own (BTF)', since: '5.4', ask: ({ probes }) => probes.btf().kernel },
];

/** Whether the kernel has a command of bpf(2): it is asked for it with a descriptor that nobody has. */
function command(
  sys: Sys,
  name: BpfCommand,
  { size, descriptorAt }: { readonly size: number; readonly descriptorAt: number },
): Pick<ProbeResult, 'answer' | 'reason'> {
  const attributes = new Uint8Array(size);
  attributes.fill(0xff, descriptorAt, descriptorAt + 4);
  const result = sys.bpf(BPF_COMMAND[name], attributes);
  if (result === -EBADF) return { answer: 'yes' };
  return result === -EINVAL ? { answer: 'no' } : { answer: 'unknown', reason: errnoName(-result) };
}

/** Looks at what the kernel has: by trying, never by its version. */
export function checkKernel(scene: MachineScene): Finding[] {
  const release = scene.machine.read('/proc/sys/kernel/osrelease') ?? 'unknown';
  const subject = `Linux ${release}`;
  const asked = FEATURES.map(({ code, name, since, ask }) => ({ code, name, since, found: ask(scene) }));
  const names = (answer: string): string =>
    asked.flatMap((each) => (each.found.answer === answer ? [each.name] : [])).join(', ');
  const missing = asked
    .filter(({ found }) => found.answer === 'no')
    .map(({ code, name, since }) =>
      KERNEL.finding(code, name, [`${subject} refuses it; mainline has it since ${since}`]),
    );
  const unknown = asked
    .filter(({ found }) => found.answer === 'unknown')
    .map(({ name, found }) => KERNEL.finding('kernel-unknown', name, [found.reason ?? 'the kernel does not tell']));
  const rest = names('yes');
  const fine = rest === '' ? [] : [KERNEL.finding('kernel-has', subject, [`it has ${rest}`])];
  return [...fine, ...missing, ...unknown, ...checkJit(scene)];
}

/** Ways that options can ask for. */
const WAYS = [
  { option: 'attach', way: 'tcx', feature: 'kernel-no-tcx' },
  { option: 'steer', way: 'sk_lookup', feature: 'kernel-no-sk-lookup' },
] as const;

/** Looks whether the kernel has the ways that an engine was, or would be, told to take. */
export function checkAsked(scene: Pick<NetworkScene, keyof MachineScene | 'settings'>): Finding[] {
  return WAYS.filter(({ option, way }) => scene.settings[option] === way)
    .filter(({ feature }) => FEATURES.find(({ code }) => code === feature)?.ask(scene).answer === 'no')
    .map(({ option, way }) => KERNEL.finding('kernel-lacks-asked', way, [`option ${option}: ${way}`]));
}

/** The compiler of programs to machine code. Its settings are there in the first network namespace alone. */
function checkJit({ machine }: MachineScene): Finding[] {
  const read = (name: string): { readonly value: string | undefined; readonly evidence: string } => {
    const path = `/proc/sys/net/core/${name}`;
    const value = machine.read(path);
    return { value, evidence: `${path}: ${value}` };
  };
  const enabled = read('bpf_jit_enable');
  if (enabled.value === undefined) return [];
  if (enabled.value === '0') return [KERNEL.finding('kernel-jit-off', 'the JIT', [enabled.evidence])];
  const hardened = read('bpf_jit_harden');
  // 1 hardens the programs of ordinary users alone.
  return hardened.value === '2' ? [KERNEL.finding('kernel-jit-hardened', 'the JIT', [hardened.evidence])] : [];
}
