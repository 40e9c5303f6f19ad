import {
  ATTACH_TYPE,
  encode,
  helperById,
  helperByName,
  PROGRAM_TYPE,
  type AttachType,
  type Instruction,
  type MapType,
  type ProgramType,
} from 'bpf-asm';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoName } from '../errno.ts';
import { isNetlinkTcError } from '../error.ts';
import { cString, textOf, type Sys } from '../sys/index.ts';
import { hasOrderedHook } from './attach.ts';
import { LINK_CREATE, LINK_CREATE_SIZE, PROG_LOAD, PROG_LOAD_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND } from './command.ts';
import { withMemlock } from './memlock.ts';
import { explainPermission, programNeeds, type Capability } from './permission.ts';
import { integerBtf, mapAnswer } from './probe-map.ts';
import { LINK_SINCE, MAP_SINCE, PROGRAM_SINCE, type ProbedLink } from './probe-since.ts';

const { E2BIG, EBADF, EINVAL, EOPNOTSUPP, EPERM } = constants.errno;

/** What a probe found: `unknown` where the process may not ask, or the answer can mean both. */
export type Answer = 'yes' | 'no' | 'unknown';

/** A probe's answer, with the first mainline kernel that has the thing; backports and configurations differ, so only the answer counts. */
export interface ProbeResult {
  readonly answer: Answer;
  /** Why the answer is `unknown`: what is missing, or what the kernel said. */
  readonly reason?: string;
  /** `major.minor`, or undefined where it is not known here. */
  readonly since: string | undefined;
}

/** What the kernel made known of a thing; the negative error number where that tells neither. */
export type Finding = 'yes' | 'no' | number;

/** What the running kernel has, found by trying; nothing is ever concluded from its version. */
export interface Probes {
  mapType(type: MapType): ProbeResult;
  programType(type: ProgramType): ProbeResult;
  /** Whether programs of a type may call a helper. @param helper its number, or its name without `bpf_` */
  helper(type: ProgramType, helper: number | string): ProbeResult;
  /** Whether the instructions of a version can be loaded: 2 has unsigned less-than, 3 32-bit jumps, 4 sign extension and `gotol`. */
  instructionSet(version: 1 | 2 | 3 | 4): ProbeResult;
  link(kind: ProbedLink): ProbeResult;
  /** Whether types can be loaded, and whether the kernel's own are there. */
  btf(): { readonly load: ProbeResult; readonly kernel: ProbeResult };
}

/** Attach types without which the plainest program of a type is refused. */
const EXPECTED: Partial<Record<ProgramType, AttachType>> = {
  cgroup_sock_addr: 'cgroup_inet4_connect',
  cgroup_sockopt: 'cgroup_setsockopt',
  sk_lookup: 'sk_lookup',
  netfilter: 'netfilter',
  lsm: 'lsm_mac',
  tracing: 'trace_raw_tp',
  struct_ops: 'struct_ops',
};
const NEEDS_TARGET: ReadonlySet<ProgramType> = new Set<ProgramType>(['lsm', 'tracing', 'struct_ops', 'ext']);
const LINK_NEEDS: readonly Capability[] = ['CAP_BPF', 'CAP_NET_ADMIN'];
const MOV0: Instruction = { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 0 };
const EXIT: Instruction = { kind: 'exit' };
/** The loopback interface has no card: asked to run a program there, a kernel with XDP links refuses for that reason. */
const LOOPBACK = 1;
const XDP_ON_THE_CARD = 1 << 3;

interface Load {
  readonly result: number;
  readonly log: string;
}

function load(sys: Sys, type: ProgramType, instructions: readonly Instruction[], withLog: boolean): Load {
  const code = encode(instructions, { byteOrder: sys.platform.littleEndian ? 'little' : 'big' });
  const expected = EXPECTED[type];
  const log = new Uint8Array(withLog ? 4096 : 0);
  const attr = new Attr(sys, PROG_LOAD_SIZE)
    .u32(PROG_LOAD.prog_type, PROGRAM_TYPE[type])
    .u32(PROG_LOAD.insn_cnt, code.length / 8)
    .pointer(PROG_LOAD.insns, code)
    .pointer(PROG_LOAD.license, cString('GPL'))
    .u32(PROG_LOAD.expected_attach_type, expected === undefined ? 0 : ATTACH_TYPE[expected])
    .u32(PROG_LOAD.attach_btf_id, NEEDS_TARGET.has(type) ? 1 : 0)
    .u32(PROG_LOAD.log_level, withLog ? 1 : 0)
    .u32(PROG_LOAD.log_size, log.length)
    .pointer(PROG_LOAD.log_buf, log);
  const result = withMemlock(sys, () => sys.bpf(BPF_COMMAND.BPF_PROG_LOAD, attr.bytes));
  if (result >= 0) sys.call('close', result);
  return { result, log: textOf(log) };
}

function programAnswer(sys: Sys, type: ProgramType): Finding {
  const { result, log } = load(sys, type, [MOV0, EXIT], true);
  // Words of the verifier mean that the type was found, whatever it thinks of the program.
  if (result >= 0 || log !== '') return 'yes';
  // A kernel without types of its own refuses whatever asks for one of them, before it looks at the program's type.
  const isClear = !NEEDS_TARGET.has(type) || hasKernelTypes();
  return (result === -EINVAL || result === -E2BIG) && isClear ? 'no' : result;
}

function helperAnswer(sys: Sys, type: ProgramType, helper: number): Finding {
  const { result, log } = load(sys, type, [{ kind: 'call', helper }, EXIT], true);
  if (/unknown func|invalid func|program of this type cannot use helper|helper call is not allowed/.test(log))
    return 'no';
  // Arguments that were never set are refused only once the helper was found.
  return result >= 0 || /!read_ok|R\d|expected|arg/.test(log) ? 'yes' : result;
}

function instructionAnswer(sys: Sys, version: 1 | 2 | 3 | 4): Finding {
  const jump = (op: 'jne' | 'jlt', width: 32 | 64): Instruction => ({
    kind: 'jump',
    op,
    width,
    dst: 'r0',
    src: 1,
    target: 0,
  });
  const added: Record<1 | 2 | 3 | 4, Instruction> = {
    1: MOV0,
    2: jump('jlt', 64),
    3: jump('jne', 32),
    4: { kind: 'movsx', width: 64, bits: 8, dst: 'r0', src: 'r0' },
  };
  const { result } = load(sys, 'socket_filter', [MOV0, added[version], EXIT], false);
  if (result >= 0) return 'yes';
  return result === -EINVAL ? 'no' : result;
}

function linkAnswer(sys: Sys, kind: ProbedLink): Finding {
  if (kind === 'tcx' || kind === 'netkit') {
    const known = hasOrderedHook(sys, kind === 'tcx' ? 'tcx_ingress' : 'netkit_primary');
    return typeof known === 'number' ? known : known ? 'yes' : 'no';
  }
  const attachType = (
    { xdp: 'xdp', netns: 'sk_lookup', cgroup: 'cgroup_inet_ingress', sockmap: 'sk_msg_verdict' } as const
  )[kind];
  const type = ({ xdp: 'xdp', netns: 'sk_lookup', cgroup: 'cgroup_skb', sockmap: 'sk_msg' } as const)[kind];
  const code = encode([MOV0, EXIT], { byteOrder: sys.platform.littleEndian ? 'little' : 'big' });
  const expected = EXPECTED[type] ?? attachType;
  const program = new Attr(sys, PROG_LOAD_SIZE)
    .u32(PROG_LOAD.prog_type, PROGRAM_TYPE[type])
    .u32(PROG_LOAD.insn_cnt, 2)
    .pointer(PROG_LOAD.insns, code)
    .pointer(PROG_LOAD.license, cString('GPL'))
    .u32(PROG_LOAD.expected_attach_type, ATTACH_TYPE[expected]);
  const fd = sys.bpf(BPF_COMMAND.BPF_PROG_LOAD, program.bytes);
  if (fd < 0) return fd === -EINVAL ? 'no' : fd;
  const attr = new Attr(sys, LINK_CREATE_SIZE)
    .u32(LINK_CREATE.prog_fd, fd)
    .u32(LINK_CREATE.target_fd, kind === 'xdp' ? LOOPBACK : -1)
    .u32(LINK_CREATE.flags, kind === 'xdp' ? XDP_ON_THE_CARD : 0)
    .u32(LINK_CREATE.attach_type, ATTACH_TYPE[attachType]);
  const result = sys.bpf(BPF_COMMAND.BPF_LINK_CREATE, attr.bytes);
  sys.call('close', fd);
  // The target cannot be: a kernel with such links says that, one without says that the arguments are wrong.
  if (result === -EOPNOTSUPP || result === -EBADF) return 'yes';
  return result === -EINVAL ? 'no' : result;
}

function btfAnswer(sys: Sys): Finding {
  try {
    integerBtf(sys).close();
    return 'yes';
  } catch (error) {
    if (!isNetlinkTcError(error)) throw error;
    return error.errno === EPERM ? -EPERM : 'no';
  }
}

function hasKernelTypes(): boolean {
  return existsSync('/sys/kernel/btf/vmlinux');
}

function reasonOf(sys: Sys, result: number, needs: readonly Capability[]): string {
  if (result === -EPERM) return `EPERM: ${explainPermission(sys, needs)}`;
  return `${errnoName(-result)} from the kernel, which does not tell`;
}

/**
 * Makes probes of the running kernel. Each asks once; what it could not tell it asks again the next time.
 * @example
 * ```ts
 * const probes = createProbes(sys);
 * if (probes.link('tcx').answer === 'yes') attachTcx(sys, program, ifindex, 'ingress');
 * ```
 */
export function createProbes(sys: Sys): Probes {
  const known = new Map<string, 'yes' | 'no'>();
  const ask = (
    key: string,
    since: string | undefined,
    probe: () => Finding,
    needs: readonly Capability[] = ['CAP_BPF'],
  ): ProbeResult => {
    const finding = known.get(key) ?? probe();
    if (typeof finding === 'number') return { answer: 'unknown', since, reason: reasonOf(sys, finding, needs) };
    known.set(key, finding);
    return { answer: finding, since };
  };
  return {
    mapType: (type) => ask(`map ${type}`, MAP_SINCE[type], () => mapAnswer(sys, type)),
    programType: (type) =>
      ask(`program ${type}`, PROGRAM_SINCE[type], () => programAnswer(sys, type), programNeeds(type)),
    helper(type, helper) {
      const info = typeof helper === 'number' ? helperById(helper) : helperByName(helper);
      const id = typeof helper === 'number' ? helper : info?.id;
      const since = info?.since;
      if (id === undefined) return { answer: 'no', since: undefined };
      return ask(`helper ${type} ${id}`, since, () => helperAnswer(sys, type, id), programNeeds(type));
    },
    instructionSet: (version) =>
      ask(`instructions ${version}`, ({ 1: '3.18', 2: '4.14', 3: '5.1', 4: '6.6' } as const)[version], () =>
        instructionAnswer(sys, version),
      ),
    link: (kind) => ask(`link ${kind}`, LINK_SINCE[kind], () => linkAnswer(sys, kind), LINK_NEEDS),
    btf: () => ({
      load: ask('btf load', '4.18', () => btfAnswer(sys)),
      kernel: ask('btf kernel', '5.4', () => (hasKernelTypes() ? 'yes' : 'no')),
    }),
  };
}
