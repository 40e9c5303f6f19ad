import type { AttachType, ProgramType } from '../asm/index.ts';

/** What a section's name says of the programs in it. */
export interface SectionMeaning {
  readonly type: ProgramType;
  readonly expectedAttachType?: AttachType;
}

type Rule = readonly [name: string, type: ProgramType, attach?: AttachType];

/**
 * Names that libbpf knows, with what it loads their programs as (`section_defs` in libbpf; Documentation/bpf/libbpf/program_types.rst).
 * A name that ends with `+` may be followed by `/` and more. The first of a type and an attach type is what is written.
 */
const RULES: readonly Rule[] = [
  ['socket', 'socket_filter'],
  ['sk_reuseport', 'sk_reuseport', 'sk_reuseport_select'],
  ['sk_reuseport/migrate', 'sk_reuseport', 'sk_reuseport_select_or_migrate'],
  ['kprobe+', 'kprobe'],
  ['kretprobe+', 'kprobe'],
  ['uprobe+', 'kprobe'],
  ['uprobe.s+', 'kprobe'],
  ['uretprobe+', 'kprobe'],
  ['uretprobe.s+', 'kprobe'],
  ['kprobe.multi+', 'kprobe', 'trace_kprobe_multi'],
  ['kretprobe.multi+', 'kprobe', 'trace_kprobe_multi'],
  ['kprobe.session+', 'kprobe', 'trace_kprobe_session'],
  ['uprobe.multi+', 'kprobe', 'trace_uprobe_multi'],
  ['uprobe.multi.s+', 'kprobe', 'trace_uprobe_multi'],
  ['uretprobe.multi+', 'kprobe', 'trace_uprobe_multi'],
  ['uretprobe.multi.s+', 'kprobe', 'trace_uprobe_multi'],
  ['uprobe.session+', 'kprobe', 'trace_uprobe_session'],
  ['uprobe.session.s+', 'kprobe', 'trace_uprobe_session'],
  ['ksyscall+', 'kprobe'],
  ['kretsyscall+', 'kprobe'],
  ['usdt+', 'kprobe'],
  ['usdt.s+', 'kprobe'],
  ['tc', 'sched_cls'],
  ['classifier', 'sched_cls'],
  ['tcx/ingress', 'sched_cls', 'tcx_ingress'],
  ['tcx/egress', 'sched_cls', 'tcx_egress'],
  ['tc/ingress', 'sched_cls', 'tcx_ingress'],
  ['tc/egress', 'sched_cls', 'tcx_egress'],
  ['netkit/primary', 'sched_cls', 'netkit_primary'],
  ['netkit/peer', 'sched_cls', 'netkit_peer'],
  ['action', 'sched_act'],
  ['tracepoint+', 'tracepoint'],
  ['tp+', 'tracepoint'],
  ['raw_tracepoint+', 'raw_tracepoint'],
  ['raw_tp+', 'raw_tracepoint'],
  ['raw_tracepoint.w+', 'raw_tracepoint_writable'],
  ['raw_tp.w+', 'raw_tracepoint_writable'],
  ['tp_btf+', 'tracing', 'trace_raw_tp'],
  ['fentry+', 'tracing', 'trace_fentry'],
  ['fentry.s+', 'tracing', 'trace_fentry'],
  ['fmod_ret+', 'tracing', 'modify_return'],
  ['fmod_ret.s+', 'tracing', 'modify_return'],
  ['fexit+', 'tracing', 'trace_fexit'],
  ['fexit.s+', 'tracing', 'trace_fexit'],
  ['iter+', 'tracing', 'trace_iter'],
  ['iter.s+', 'tracing', 'trace_iter'],
  ['freplace+', 'ext'],
  ['lsm+', 'lsm', 'lsm_mac'],
  ['lsm.s+', 'lsm', 'lsm_mac'],
  ['lsm_cgroup+', 'lsm', 'lsm_cgroup'],
  ['syscall', 'syscall'],
  ['xdp', 'xdp', 'xdp'],
  ['xdp.frags', 'xdp', 'xdp'],
  ['xdp/devmap', 'xdp', 'xdp_devmap'],
  ['xdp.frags/devmap', 'xdp', 'xdp_devmap'],
  ['xdp/cpumap', 'xdp', 'xdp_cpumap'],
  ['xdp.frags/cpumap', 'xdp', 'xdp_cpumap'],
  ['perf_event', 'perf_event'],
  ['lwt_in', 'lwt_in'],
  ['lwt_out', 'lwt_out'],
  ['lwt_xmit', 'lwt_xmit'],
  ['lwt_seg6local', 'lwt_seg6local'],
  ['sockops', 'sock_ops', 'cgroup_sock_ops'],
  ['sk_skb', 'sk_skb'],
  ['sk_skb/stream_parser', 'sk_skb', 'sk_skb_stream_parser'],
  ['sk_skb/stream_verdict', 'sk_skb', 'sk_skb_stream_verdict'],
  ['sk_skb/verdict', 'sk_skb', 'sk_skb_verdict'],
  ['sk_msg', 'sk_msg', 'sk_msg_verdict'],
  ['lirc_mode2', 'lirc_mode2', 'lirc_mode2'],
  ['flow_dissector', 'flow_dissector', 'flow_dissector'],
  ['cgroup/skb', 'cgroup_skb'],
  ['cgroup_skb/ingress', 'cgroup_skb', 'cgroup_inet_ingress'],
  ['cgroup_skb/egress', 'cgroup_skb', 'cgroup_inet_egress'],
  ['cgroup/sock_create', 'cgroup_sock', 'cgroup_inet_sock_create'],
  ['cgroup/sock', 'cgroup_sock', 'cgroup_inet_sock_create'],
  ['cgroup/sock_release', 'cgroup_sock', 'cgroup_inet_sock_release'],
  ['cgroup/post_bind4', 'cgroup_sock', 'cgroup_inet4_post_bind'],
  ['cgroup/post_bind6', 'cgroup_sock', 'cgroup_inet6_post_bind'],
  ['cgroup/bind4', 'cgroup_sock_addr', 'cgroup_inet4_bind'],
  ['cgroup/bind6', 'cgroup_sock_addr', 'cgroup_inet6_bind'],
  ['cgroup/connect4', 'cgroup_sock_addr', 'cgroup_inet4_connect'],
  ['cgroup/connect6', 'cgroup_sock_addr', 'cgroup_inet6_connect'],
  ['cgroup/connect_unix', 'cgroup_sock_addr', 'cgroup_unix_connect'],
  ['cgroup/sendmsg4', 'cgroup_sock_addr', 'cgroup_udp4_sendmsg'],
  ['cgroup/sendmsg6', 'cgroup_sock_addr', 'cgroup_udp6_sendmsg'],
  ['cgroup/sendmsg_unix', 'cgroup_sock_addr', 'cgroup_unix_sendmsg'],
  ['cgroup/recvmsg4', 'cgroup_sock_addr', 'cgroup_udp4_recvmsg'],
  ['cgroup/recvmsg6', 'cgroup_sock_addr', 'cgroup_udp6_recvmsg'],
  ['cgroup/recvmsg_unix', 'cgroup_sock_addr', 'cgroup_unix_recvmsg'],
  ['cgroup/getpeername4', 'cgroup_sock_addr', 'cgroup_inet4_getpeername'],
  ['cgroup/getpeername6', 'cgroup_sock_addr', 'cgroup_inet6_getpeername'],
  ['cgroup/getpeername_unix', 'cgroup_sock_addr', 'cgroup_unix_getpeername'],
  ['cgroup/getsockname4', 'cgroup_sock_addr', 'cgroup_inet4_getsockname'],
  ['cgroup/getsockname6', 'cgroup_sock_addr', 'cgroup_inet6_getsockname'],
  ['cgroup/getsockname_unix', 'cgroup_sock_addr', 'cgroup_unix_getsockname'],
  ['cgroup/sysctl', 'cgroup_sysctl', 'cgroup_sysctl'],
  ['cgroup/getsockopt', 'cgroup_sockopt', 'cgroup_getsockopt'],
  ['cgroup/setsockopt', 'cgroup_sockopt', 'cgroup_setsockopt'],
  ['cgroup/dev', 'cgroup_device', 'cgroup_device'],
  ['struct_ops+', 'struct_ops'],
  ['struct_ops.s+', 'struct_ops'],
  ['sk_lookup', 'sk_lookup', 'sk_lookup'],
  ['netfilter', 'netfilter', 'netfilter'],
];

/** Types with several attach types, none of which goes without saying: the kernel refuses their programs without one. */
const NEEDS_ATTACH_TYPE: ReadonlySet<ProgramType> = new Set(['cgroup_sock_addr', 'cgroup_sockopt', 'tracing', 'lsm']);

/**
 * The section that libbpf loads a program out of as what it is: `tc` for a `sched_cls` program, `tcx/ingress` if it is verified for that.
 *
 * @returns undefined where no section says that, or where several do and the program does not say which.
 */
export function sectionNameOf({ type, expectedAttachType }: SectionMeaning): string | undefined {
  if (expectedAttachType === undefined && NEEDS_ATTACH_TYPE.has(type)) return undefined;
  const rule = RULES.find(
    ([, of, attach]) => of === type && (expectedAttachType === undefined || attach === expectedAttachType),
  );
  return rule?.[0].replace(/\+$/, '');
}

/**
 * What libbpf loads the programs of a section as. As libbpf did before 1.0, and as iproute2's users still write, an unknown name that begins
 * with a known one and `/` means the same: `classifier/from-pod`.
 *
 * @returns undefined where the name says nothing.
 */
export function meaningOf(section: string): SectionMeaning | undefined {
  // A `?` says that libbpf shall not load the program unless it is asked to.
  const name = section.replace(/^\?/, '');
  const rule = RULES.find(([known]) => matches(known, name)) ?? RULES.find(([known]) => matches(`${known}+`, name));
  if (rule === undefined) return undefined;
  const [, type, expectedAttachType] = rule;
  return { type, ...(expectedAttachType === undefined ? {} : { expectedAttachType }) };
}

function matches(known: string, name: string): boolean {
  if (!known.endsWith('+')) return known === name;
  const prefix = known.replace(/\++$/, '');
  return name === prefix || name.startsWith(`${prefix}/`);
}
