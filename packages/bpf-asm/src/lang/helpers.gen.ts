// Made by scripts/language-helpers.generate.ts from scripts/helpers.json: change these files and run `npm run generate`.
import type { KeyArgument, Scalar } from './helper-arguments.ts';
import type { Lookup } from './lookup.ts';
import type { MapHandle } from './maps.ts';
import type { MemoryArgument } from './memory.ts';
import type { Socket } from './sockets.ts';
import type { Value } from './value.ts';

/** The helpers of Linux that programs in the language may call, as functions. The context and the sizes of memory are filled in. */
// prettier-ignore
export interface TypedHelpers {
  /** `bpf_ktime_get_ns` (Linux 4.1). */
  readonly ktimeGetNs: () => Value<'u64'>;
  /** `bpf_trace_printk` (Linux 4.1). */
  readonly tracePrintk: (fmt: MemoryArgument) => Value<'i64'>;
  /** `bpf_get_prandom_u32` (Linux 4.1). */
  readonly getPrandomU32: () => Value<'u32'>;
  /** `bpf_get_smp_processor_id` (Linux 4.1). */
  readonly getSmpProcessorId: () => Value<'u32'>;
  /** `bpf_skb_store_bytes` (Linux 4.1). */
  readonly skbStoreBytes: (offset: Scalar, from: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_l3_csum_replace` (Linux 4.1). */
  readonly l3CsumReplace: (offset: Scalar, from: Scalar, to: Scalar, size: Scalar) => Value<'i64'>;
  /** `bpf_l4_csum_replace` (Linux 4.1). */
  readonly l4CsumReplace: (offset: Scalar, from: Scalar, to: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_clone_redirect` (Linux 4.2). */
  readonly cloneRedirect: (ifindex: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_get_current_pid_tgid` (Linux 4.2). */
  readonly getCurrentPidTgid: () => Value<'u64'>;
  /** `bpf_get_current_uid_gid` (Linux 4.2). */
  readonly getCurrentUidGid: () => Value<'u64'>;
  /** `bpf_get_current_comm` (Linux 4.2). */
  readonly getCurrentComm: (buf: MemoryArgument) => Value<'i64'>;
  /** `bpf_get_cgroup_classid` (Linux 4.3). */
  readonly getCgroupClassid: () => Value<'u32'>;
  /** `bpf_skb_vlan_push` (Linux 4.3). */
  readonly skbVlanPush: (vlanProto: Scalar, vlanTci: Scalar) => Value<'i64'>;
  /** `bpf_skb_vlan_pop` (Linux 4.3). */
  readonly skbVlanPop: () => Value<'i64'>;
  /** `bpf_skb_get_tunnel_key` (Linux 4.3). */
  readonly skbGetTunnelKey: (key: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_skb_set_tunnel_key` (Linux 4.3). */
  readonly skbSetTunnelKey: (key: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_perf_event_read` (Linux 4.3). */
  readonly perfEventRead: (map: MapHandle, flags: Scalar) => Value<'i64'>;
  /** `bpf_redirect` (Linux 4.4). */
  readonly redirect: (ifindex: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_get_route_realm` (Linux 4.4). */
  readonly getRouteRealm: () => Value<'u32'>;
  /** `bpf_perf_event_output` (Linux 4.4). */
  readonly perfEventOutput: (map: MapHandle, flags: Scalar, data: MemoryArgument) => Value<'i64'>;
  /** `bpf_skb_load_bytes` (Linux 4.5). */
  readonly skbLoadBytes: (offset: Scalar, to: MemoryArgument) => Value<'i64'>;
  /** `bpf_csum_diff` (Linux 4.6). */
  readonly csumDiff: (from: MemoryArgument | null, to: MemoryArgument | null, seed: Scalar) => Value<'i64'>;
  /** `bpf_skb_get_tunnel_opt` (Linux 4.6). */
  readonly skbGetTunnelOpt: (opt: MemoryArgument) => Value<'i64'>;
  /** `bpf_skb_set_tunnel_opt` (Linux 4.6). */
  readonly skbSetTunnelOpt: (opt: MemoryArgument) => Value<'i64'>;
  /** `bpf_skb_change_proto` (Linux 4.8). */
  readonly skbChangeProto: (proto: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_skb_change_type` (Linux 4.8). */
  readonly skbChangeType: (type: Scalar) => Value<'i64'>;
  /** `bpf_skb_under_cgroup` (Linux 4.8). */
  readonly skbUnderCgroup: (map: MapHandle, index: Scalar) => Value<'i64'>;
  /** `bpf_get_hash_recalc` (Linux 4.8). */
  readonly getHashRecalc: () => Value<'u32'>;
  /** `bpf_get_current_task` (Linux 4.8). */
  readonly getCurrentTask: () => Value<'u64'>;
  /** `bpf_current_task_under_cgroup` (Linux 4.9). */
  readonly currentTaskUnderCgroup: (map: MapHandle, index: Scalar) => Value<'i64'>;
  /** `bpf_skb_change_tail` (Linux 4.9). */
  readonly skbChangeTail: (len: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_skb_pull_data` (Linux 4.9). */
  readonly skbPullData: (len: Scalar) => Value<'i64'>;
  /** `bpf_csum_update` (Linux 4.9). */
  readonly csumUpdate: (csum: Scalar) => Value<'i64'>;
  /** `bpf_set_hash_invalid` (Linux 4.9). */
  readonly setHashInvalid: () => Value<'i64'>;
  /** `bpf_get_numa_node_id` (Linux 4.10). */
  readonly getNumaNodeId: () => Value<'u32'>;
  /** `bpf_skb_change_head` (Linux 4.10). */
  readonly skbChangeHead: (len: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_xdp_adjust_head` (Linux 4.10). */
  readonly xdpAdjustHead: (delta: Scalar) => Value<'i64'>;
  /** `bpf_get_socket_cookie` (Linux 4.12). */
  readonly getSocketCookie: () => Value<'u64'>;
  /** `bpf_get_socket_uid` (Linux 4.12). */
  readonly getSocketUid: () => Value<'u32'>;
  /** `bpf_set_hash` (Linux 4.13). */
  readonly setHash: (hash: Scalar) => Value<'i64'>;
  /** `bpf_setsockopt` (Linux 4.13). */
  readonly setsockopt: (level: Scalar, optname: Scalar, optval: MemoryArgument) => Value<'i64'>;
  /** `bpf_skb_adjust_room` (Linux 4.13). */
  readonly skbAdjustRoom: (lenDiff: Scalar, mode: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_redirect_map` (Linux 4.14). */
  readonly redirectMap: (map: MapHandle, key: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_sock_map_update` (Linux 4.14). */
  readonly sockMapUpdate: (map: MapHandle, key: KeyArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_xdp_adjust_meta` (Linux 4.15). */
  readonly xdpAdjustMeta: (delta: Scalar) => Value<'i64'>;
  /** `bpf_perf_event_read_value` (Linux 4.15). */
  readonly perfEventReadValue: (map: MapHandle, flags: Scalar, buf: MemoryArgument) => Value<'i64'>;
  /** `bpf_getsockopt` (Linux 4.15). */
  readonly getsockopt: (level: Scalar, optname: Scalar, optval: MemoryArgument) => Value<'i64'>;
  /** `bpf_sock_ops_cb_flags_set` (Linux 4.16). */
  readonly sockOpsCbFlagsSet: (argval: Scalar) => Value<'i64'>;
  /** `bpf_msg_redirect_map` (Linux 4.17). */
  readonly msgRedirectMap: (map: MapHandle, key: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_msg_apply_bytes` (Linux 4.17). */
  readonly msgApplyBytes: (bytes: Scalar) => Value<'i64'>;
  /** `bpf_msg_cork_bytes` (Linux 4.17). */
  readonly msgCorkBytes: (bytes: Scalar) => Value<'i64'>;
  /** `bpf_msg_pull_data` (Linux 4.17). */
  readonly msgPullData: (start: Scalar, end: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_bind` (Linux 4.17). */
  readonly bind: (addr: MemoryArgument) => Value<'i64'>;
  /** `bpf_xdp_adjust_tail` (Linux 4.18). */
  readonly xdpAdjustTail: (delta: Scalar) => Value<'i64'>;
  /** `bpf_skb_get_xfrm_state` (Linux 4.18). */
  readonly skbGetXfrmState: (index: Scalar, xfrmState: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_skb_load_bytes_relative` (Linux 4.18). */
  readonly skbLoadBytesRelative: (offset: Scalar, to: MemoryArgument, startHeader: Scalar) => Value<'i64'>;
  /** `bpf_fib_lookup` (Linux 4.18). */
  readonly fibLookup: (params: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_sock_hash_update` (Linux 4.18). */
  readonly sockHashUpdate: (map: MapHandle, key: KeyArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_msg_redirect_hash` (Linux 4.18). */
  readonly msgRedirectHash: (map: MapHandle, key: KeyArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_skb_cgroup_id` (Linux 4.18). */
  readonly skbCgroupId: () => Value<'u64'>;
  /** `bpf_get_current_cgroup_id` (Linux 4.18). */
  readonly getCurrentCgroupId: () => Value<'u64'>;
  /** `bpf_skb_ancestor_cgroup_id` (Linux 4.19). */
  readonly skbAncestorCgroupId: (ancestorLevel: Scalar) => Value<'u64'>;
  /** `bpf_sk_lookup_tcp` (Linux 4.20). */
  readonly skLookupTcp: (tuple: MemoryArgument, netns: Scalar, flags: Scalar) => Lookup<Socket>;
  /** `bpf_sk_lookup_udp` (Linux 4.20). */
  readonly skLookupUdp: (tuple: MemoryArgument, netns: Scalar, flags: Scalar) => Lookup<Socket>;
  /** `bpf_map_push_elem` (Linux 4.20). */
  readonly mapPushElem: (map: MapHandle, value: KeyArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_map_pop_elem` (Linux 4.20). */
  readonly mapPopElem: (map: MapHandle, value: MemoryArgument) => Value<'i64'>;
  /** `bpf_map_peek_elem` (Linux 4.20). */
  readonly mapPeekElem: (map: MapHandle, value: MemoryArgument) => Value<'i64'>;
  /** `bpf_msg_push_data` (Linux 4.20). */
  readonly msgPushData: (start: Scalar, len: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_msg_pop_data` (Linux 5.0). */
  readonly msgPopData: (start: Scalar, len: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_sk_fullsock` (Linux 5.1). */
  readonly skFullsock: (sk: Socket) => Lookup<Socket>;
  /** `bpf_skb_ecn_set_ce` (Linux 5.1). */
  readonly skbEcnSetCe: () => Value<'i64'>;
  /** `bpf_get_listener_sock` (Linux 5.1). */
  readonly getListenerSock: (sk: Socket) => Lookup<Socket>;
  /** `bpf_skc_lookup_tcp` (Linux 5.2). */
  readonly skcLookupTcp: (tuple: MemoryArgument, netns: Scalar, flags: Scalar) => Lookup<Socket>;
  /** `bpf_tcp_check_syncookie` (Linux 5.2). */
  readonly tcpCheckSyncookie: (sk: Socket, iph: MemoryArgument, th: MemoryArgument) => Value<'i64'>;
  /** `bpf_strtol` (Linux 5.2). */
  readonly strtol: (buf: MemoryArgument, flags: Scalar, res: MemoryArgument) => Value<'i64'>;
  /** `bpf_strtoul` (Linux 5.2). */
  readonly strtoul: (buf: MemoryArgument, flags: Scalar, res: MemoryArgument) => Value<'i64'>;
  /** `bpf_sk_storage_delete` (Linux 5.2). */
  readonly skStorageDelete: (map: MapHandle, sk: Socket) => Value<'i64'>;
  /** `bpf_send_signal` (Linux 5.3). */
  readonly sendSignal: (sig: Scalar) => Value<'i64'>;
  /** `bpf_tcp_gen_syncookie` (Linux 5.4). */
  readonly tcpGenSyncookie: (sk: Socket, iph: MemoryArgument, th: MemoryArgument) => Value<'i64'>;
  /** `bpf_probe_read_user` (Linux 5.5). */
  readonly probeReadUser: (dst: MemoryArgument, unsafePtr: Scalar) => Value<'i64'>;
  /** `bpf_probe_read_kernel` (Linux 5.5). */
  readonly probeReadKernel: (dst: MemoryArgument, unsafePtr: Scalar) => Value<'i64'>;
  /** `bpf_probe_read_user_str` (Linux 5.5). */
  readonly probeReadUserStr: (dst: MemoryArgument, unsafePtr: Scalar) => Value<'i64'>;
  /** `bpf_probe_read_kernel_str` (Linux 5.5). */
  readonly probeReadKernelStr: (dst: MemoryArgument, unsafePtr: Scalar) => Value<'i64'>;
  /** `bpf_send_signal_thread` (Linux 5.6). */
  readonly sendSignalThread: (sig: Scalar) => Value<'i64'>;
  /** `bpf_jiffies64` (Linux 5.6). */
  readonly jiffies64: () => Value<'u64'>;
  /** `bpf_get_ns_current_pid_tgid` (Linux 5.7). */
  readonly getNsCurrentPidTgid: (dev: Scalar, ino: Scalar, nsdata: MemoryArgument) => Value<'i64'>;
  /** `bpf_get_netns_cookie` (Linux 5.7). */
  readonly getNetnsCookie: () => Value<'u64'>;
  /** `bpf_get_current_ancestor_cgroup_id` (Linux 5.7). */
  readonly getCurrentAncestorCgroupId: (ancestorLevel: Scalar) => Value<'u64'>;
  /** `bpf_sk_assign` (Linux 5.7). */
  readonly skAssign: (sk: Socket, flags: Scalar) => Value<'i64'>;
  /** `bpf_ktime_get_boot_ns` (Linux 5.8). */
  readonly ktimeGetBootNs: () => Value<'u64'>;
  /** `bpf_sk_cgroup_id` (Linux 5.8). */
  readonly skCgroupId: (sk: Socket) => Value<'u64'>;
  /** `bpf_sk_ancestor_cgroup_id` (Linux 5.8). */
  readonly skAncestorCgroupId: (sk: Socket, ancestorLevel: Scalar) => Value<'u64'>;
  /** `bpf_ringbuf_output` (Linux 5.8). */
  readonly ringbufOutput: (ringbuf: MapHandle, data: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_ringbuf_query` (Linux 5.8). */
  readonly ringbufQuery: (ringbuf: MapHandle, flags: Scalar) => Value<'u64'>;
  /** `bpf_csum_level` (Linux 5.8). */
  readonly csumLevel: (level: Scalar) => Value<'i64'>;
  /** `bpf_load_hdr_opt` (Linux 5.10). */
  readonly loadHdrOpt: (searchbyRes: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_store_hdr_opt` (Linux 5.10). */
  readonly storeHdrOpt: (from: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_reserve_hdr_opt` (Linux 5.10). */
  readonly reserveHdrOpt: (len: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_copy_from_user` (Linux 5.10). */
  readonly copyFromUser: (dst: MemoryArgument, userPtr: Scalar) => Value<'i64'>;
  /** `bpf_snprintf_btf` (Linux 5.10). */
  readonly snprintfBtf: (str: MemoryArgument, ptr: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_skb_cgroup_classid` (Linux 5.10). */
  readonly skbCgroupClassid: () => Value<'u32'>;
  /** `bpf_redirect_neigh` (Linux 5.10). */
  readonly redirectNeigh: (ifindex: Scalar, params: MemoryArgument | null, flags: Scalar) => Value<'i64'>;
  /** `bpf_redirect_peer` (Linux 5.10). */
  readonly redirectPeer: (ifindex: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_ktime_get_coarse_ns` (Linux 5.11). */
  readonly ktimeGetCoarseNs: () => Value<'u64'>;
  /** `bpf_check_mtu` (Linux 5.12). */
  readonly checkMtu: (ifindex: Scalar, mtuLen: MemoryArgument, lenDiff: Scalar, flags: Scalar) => Value<'i64'>;
  /** `bpf_get_branch_snapshot` (Linux 5.16). */
  readonly getBranchSnapshot: (entries: MemoryArgument, flags: Scalar) => Value<'i64'>;
  /** `bpf_trace_vprintk` (Linux 5.16). */
  readonly traceVprintk: (fmt: MemoryArgument, data: MemoryArgument | null) => Value<'i64'>;
  /** `bpf_get_retval` (Linux 5.18). */
  readonly getRetval: () => Value<'i64'>;
  /** `bpf_set_retval` (Linux 5.18). */
  readonly setRetval: (retval: Scalar) => Value<'i64'>;
  /** `bpf_xdp_get_buff_len` (Linux 5.18). */
  readonly xdpGetBuffLen: () => Value<'u64'>;
  /** `bpf_xdp_load_bytes` (Linux 5.18). */
  readonly xdpLoadBytes: (offset: Scalar, buf: MemoryArgument) => Value<'i64'>;
  /** `bpf_xdp_store_bytes` (Linux 5.18). */
  readonly xdpStoreBytes: (offset: Scalar, buf: MemoryArgument) => Value<'i64'>;
  /** `bpf_skb_set_tstamp` (Linux 5.18). */
  readonly skbSetTstamp: (tstamp: Scalar, tstampType: Scalar) => Value<'i64'>;
  /** `bpf_tcp_raw_gen_syncookie_ipv4` (Linux 6.0). */
  readonly tcpRawGenSyncookieIpv4: (iph: MemoryArgument, th: MemoryArgument) => Value<'i64'>;
  /** `bpf_tcp_raw_gen_syncookie_ipv6` (Linux 6.0). */
  readonly tcpRawGenSyncookieIpv6: (iph: MemoryArgument, th: MemoryArgument) => Value<'i64'>;
  /** `bpf_tcp_raw_check_syncookie_ipv4` (Linux 6.0). */
  readonly tcpRawCheckSyncookieIpv4: (iph: MemoryArgument, th: MemoryArgument) => Value<'i64'>;
  /** `bpf_tcp_raw_check_syncookie_ipv6` (Linux 6.0). */
  readonly tcpRawCheckSyncookieIpv6: (iph: MemoryArgument, th: MemoryArgument) => Value<'i64'>;
  /** `bpf_ktime_get_tai_ns` (Linux 6.1). */
  readonly ktimeGetTaiNs: () => Value<'u64'>;
}

/** Which helpers each type of program has. */
// prettier-ignore
export interface HelpersOf {
  readonly sched_cls: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'skbStoreBytes' | 'l3CsumReplace' | 'l4CsumReplace' | 'cloneRedirect' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'skbVlanPush' | 'skbVlanPop' | 'skbGetTunnelKey' | 'skbSetTunnelKey' | 'perfEventRead' | 'redirect' | 'getRouteRealm' | 'perfEventOutput' | 'skbLoadBytes' | 'csumDiff' | 'skbGetTunnelOpt' | 'skbSetTunnelOpt' | 'skbChangeProto' | 'skbChangeType' | 'skbUnderCgroup' | 'getHashRecalc' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'skbChangeTail' | 'skbPullData' | 'csumUpdate' | 'setHashInvalid' | 'getNumaNodeId' | 'skbChangeHead' | 'getSocketCookie' | 'getSocketUid' | 'setHash' | 'skbAdjustRoom' | 'perfEventReadValue' | 'skbGetXfrmState' | 'skbLoadBytesRelative' | 'fibLookup' | 'skbCgroupId' | 'getCurrentCgroupId' | 'skbAncestorCgroupId' | 'skLookupTcp' | 'skLookupUdp' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'skFullsock' | 'skbEcnSetCe' | 'getListenerSock' | 'skcLookupTcp' | 'tcpCheckSyncookie' | 'strtol' | 'strtoul' | 'skStorageDelete' | 'sendSignal' | 'tcpGenSyncookie' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getNetnsCookie' | 'getCurrentAncestorCgroupId' | 'skAssign' | 'ktimeGetBootNs' | 'ringbufOutput' | 'ringbufQuery' | 'csumLevel' | 'copyFromUser' | 'snprintfBtf' | 'skbCgroupClassid' | 'redirectNeigh' | 'redirectPeer' | 'ktimeGetCoarseNs' | 'checkMtu' | 'getBranchSnapshot' | 'traceVprintk' | 'skbSetTstamp' | 'tcpRawGenSyncookieIpv4' | 'tcpRawGenSyncookieIpv6' | 'tcpRawCheckSyncookieIpv4' | 'tcpRawCheckSyncookieIpv6' | 'ktimeGetTaiNs';
  readonly xdp: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'perfEventRead' | 'redirect' | 'perfEventOutput' | 'csumDiff' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'getNumaNodeId' | 'xdpAdjustHead' | 'redirectMap' | 'xdpAdjustMeta' | 'perfEventReadValue' | 'xdpAdjustTail' | 'fibLookup' | 'getCurrentCgroupId' | 'skLookupTcp' | 'skLookupUdp' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'skcLookupTcp' | 'tcpCheckSyncookie' | 'strtol' | 'strtoul' | 'sendSignal' | 'tcpGenSyncookie' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getCurrentAncestorCgroupId' | 'ktimeGetBootNs' | 'ringbufOutput' | 'ringbufQuery' | 'copyFromUser' | 'snprintfBtf' | 'ktimeGetCoarseNs' | 'checkMtu' | 'getBranchSnapshot' | 'traceVprintk' | 'xdpGetBuffLen' | 'xdpLoadBytes' | 'xdpStoreBytes' | 'tcpRawGenSyncookieIpv4' | 'tcpRawGenSyncookieIpv6' | 'tcpRawCheckSyncookieIpv4' | 'tcpRawCheckSyncookieIpv6' | 'ktimeGetTaiNs';
  readonly sk_lookup: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'perfEventRead' | 'perfEventOutput' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'getNumaNodeId' | 'perfEventReadValue' | 'getCurrentCgroupId' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'strtol' | 'strtoul' | 'sendSignal' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getCurrentAncestorCgroupId' | 'skAssign' | 'ktimeGetBootNs' | 'ringbufOutput' | 'ringbufQuery' | 'copyFromUser' | 'snprintfBtf' | 'ktimeGetCoarseNs' | 'getBranchSnapshot' | 'traceVprintk' | 'ktimeGetTaiNs';
  readonly sock_ops: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'perfEventRead' | 'perfEventOutput' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'getNumaNodeId' | 'getSocketCookie' | 'setsockopt' | 'sockMapUpdate' | 'perfEventReadValue' | 'getsockopt' | 'sockOpsCbFlagsSet' | 'sockHashUpdate' | 'getCurrentCgroupId' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'strtol' | 'strtoul' | 'skStorageDelete' | 'sendSignal' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getNetnsCookie' | 'getCurrentAncestorCgroupId' | 'ktimeGetBootNs' | 'ringbufOutput' | 'ringbufQuery' | 'loadHdrOpt' | 'storeHdrOpt' | 'reserveHdrOpt' | 'copyFromUser' | 'snprintfBtf' | 'ktimeGetCoarseNs' | 'getBranchSnapshot' | 'traceVprintk' | 'ktimeGetTaiNs';
  readonly sk_msg: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'perfEventRead' | 'perfEventOutput' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'getNumaNodeId' | 'perfEventReadValue' | 'msgRedirectMap' | 'msgApplyBytes' | 'msgCorkBytes' | 'msgPullData' | 'msgRedirectHash' | 'getCurrentCgroupId' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'msgPushData' | 'msgPopData' | 'strtol' | 'strtoul' | 'skStorageDelete' | 'sendSignal' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getNetnsCookie' | 'getCurrentAncestorCgroupId' | 'ktimeGetBootNs' | 'ringbufOutput' | 'ringbufQuery' | 'copyFromUser' | 'snprintfBtf' | 'ktimeGetCoarseNs' | 'getBranchSnapshot' | 'traceVprintk' | 'ktimeGetTaiNs';
  readonly cgroup_sock_addr: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'perfEventRead' | 'perfEventOutput' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'getNumaNodeId' | 'getSocketCookie' | 'setsockopt' | 'perfEventReadValue' | 'getsockopt' | 'bind' | 'getCurrentCgroupId' | 'skLookupTcp' | 'skLookupUdp' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'skcLookupTcp' | 'strtol' | 'strtoul' | 'skStorageDelete' | 'sendSignal' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getNetnsCookie' | 'getCurrentAncestorCgroupId' | 'ktimeGetBootNs' | 'ringbufOutput' | 'ringbufQuery' | 'copyFromUser' | 'snprintfBtf' | 'ktimeGetCoarseNs' | 'getBranchSnapshot' | 'traceVprintk' | 'getRetval' | 'setRetval' | 'ktimeGetTaiNs';
  readonly cgroup_skb: 'ktimeGetNs' | 'tracePrintk' | 'getPrandomU32' | 'getSmpProcessorId' | 'getCurrentPidTgid' | 'getCurrentUidGid' | 'getCurrentComm' | 'getCgroupClassid' | 'perfEventRead' | 'perfEventOutput' | 'skbLoadBytes' | 'getCurrentTask' | 'currentTaskUnderCgroup' | 'getNumaNodeId' | 'getSocketCookie' | 'getSocketUid' | 'perfEventReadValue' | 'skbLoadBytesRelative' | 'skbCgroupId' | 'getCurrentCgroupId' | 'skbAncestorCgroupId' | 'skLookupTcp' | 'skLookupUdp' | 'mapPushElem' | 'mapPopElem' | 'mapPeekElem' | 'skFullsock' | 'skbEcnSetCe' | 'getListenerSock' | 'skcLookupTcp' | 'strtol' | 'strtoul' | 'skStorageDelete' | 'sendSignal' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'sendSignalThread' | 'jiffies64' | 'getNsCurrentPidTgid' | 'getNetnsCookie' | 'getCurrentAncestorCgroupId' | 'ktimeGetBootNs' | 'skCgroupId' | 'skAncestorCgroupId' | 'ringbufOutput' | 'ringbufQuery' | 'copyFromUser' | 'snprintfBtf' | 'ktimeGetCoarseNs' | 'getBranchSnapshot' | 'traceVprintk' | 'ktimeGetTaiNs';
}

/** The helpers that take a GPL-compatible licence. */
// prettier-ignore
export type GplHelper = 'tracePrintk' | 'perfEventRead' | 'perfEventOutput' | 'getCurrentTask' | 'perfEventReadValue' | 'fibLookup' | 'tcpCheckSyncookie' | 'tcpGenSyncookie' | 'probeReadUser' | 'probeReadKernel' | 'probeReadUserStr' | 'probeReadKernelStr' | 'checkMtu' | 'getBranchSnapshot' | 'traceVprintk' | 'tcpRawGenSyncookieIpv4' | 'tcpRawGenSyncookieIpv6' | 'tcpRawCheckSyncookieIpv4' | 'tcpRawCheckSyncookieIpv6';

/** Helpers whose result is an unsigned number, and its type; that of the others is `i64`. */
// prettier-ignore
export const UNSIGNED_RESULTS: Readonly<Record<string, 'u32' | 'u64'>> = {
  get_prandom_u32: 'u32',
  get_smp_processor_id: 'u32',
  get_numa_node_id: 'u32',
  get_hash_recalc: 'u32',
  get_route_realm: 'u32',
  get_cgroup_classid: 'u32',
  skb_cgroup_classid: 'u32',
  get_socket_uid: 'u32',
  ktime_get_ns: 'u64',
  ktime_get_boot_ns: 'u64',
  ktime_get_coarse_ns: 'u64',
  ktime_get_tai_ns: 'u64',
  jiffies64: 'u64',
  get_socket_cookie: 'u64',
  get_netns_cookie: 'u64',
  skb_cgroup_id: 'u64',
  skb_ancestor_cgroup_id: 'u64',
  sk_cgroup_id: 'u64',
  sk_ancestor_cgroup_id: 'u64',
  get_current_cgroup_id: 'u64',
  get_current_ancestor_cgroup_id: 'u64',
  get_current_pid_tgid: 'u64',
  get_current_uid_gid: 'u64',
  get_current_task: 'u64',
  ringbuf_query: 'u64',
  xdp_get_buff_len: 'u64',
};
