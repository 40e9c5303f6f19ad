import type { CodeSpec } from './finding.ts';

/** Codes of what is found on the hooks of interfaces. */
export type ChainCode =
  | 'chain-no-interface'
  | 'chain-empty'
  | 'chain-ours'
  | 'chain-shared'
  | 'chain-unreached'
  | 'chain-hidden'
  | 'chain-hides'
  | 'chain-netkit'
  | 'chain-priority-taken'
  | 'chain-priority-shared'
  | 'chain-ingress-qdisc'
  | 'chain-no-egress';

const SEE = ['bpftool net show dev DEV', 'tc filter show dev DEV ingress', 'tc filter show dev DEV egress'];
const QDISC = ['tc qdisc show dev DEV'];

/** What is said of them. */
export const CHAIN_CODES: Readonly<Record<ChainCode, CodeSpec>> = {
  'chain-no-interface': {
    severity: 'info',
    title: 'No pod is on this host',
    cause: 'There is no veth or netkit whose other end is in another network namespace.',
    see: ['ip -brief link show type veth'],
    remedy: 'Nothing to do. If there should be pods, the doctor may look at the wrong namespace: `--host`.',
  },
  'chain-empty': {
    severity: 'ok',
    title: 'Nothing is on the hooks of these interfaces',
    cause: 'No program of tcx and no filter of clsact: ours will be alone.',
    see: SEE,
    remedy: 'Nothing to do.',
  },
  'chain-ours': {
    severity: 'ok',
    title: 'Only ours are on the hooks',
    cause:
      'The chain is told in the order in which a packet meets it, with what each program can return, found in its instructions.',
    see: SEE,
    remedy: 'Nothing to do.',
  },
  'chain-shared': {
    severity: 'info',
    title: 'Others are on the hooks, too',
    cause:
      'The chain is told in the order in which a packet meets it: programs of tcx, then filters of clsact by priority, of one priority the youngest first. `->` is what can become of a packet there: only `next` goes to the next entry, `leave` goes from tcx to clsact, all else ends the chain.',
    see: SEE,
    remedy: 'Nothing to do, unless another finding says so.',
  },
  'chain-unreached': {
    severity: 'error',
    title: 'No packet gets to our program',
    cause:
      'An entry before it never answers "next": it lets every packet pass, drops it or sends it elsewhere. Nothing of the pod is captured.',
    see: SEE,
    remedy:
      'Put ours before it: tcx by the option `order` (`head`), clsact by a lower `priority`. Or have it answer TC_ACT_UNSPEC (-1) to packets that are not its own.',
  },
  'chain-hidden': {
    severity: 'warning',
    title: 'An entry before ours can keep packets from it',
    cause:
      'It can let a packet pass or send it elsewhere without asking those behind it; what goes that way is not captured. Whether it does so with packets of the mesh, its instructions do not tell.',
    see: SEE,
    remedy:
      'Put ours before it (tcx: option `order`, clsact: a lower `priority`), or make sure that it answers TC_ACT_UNSPEC (-1) to what it does not decide. `enroll --on-shadowed fail` refuses such pods.',
  },
  'chain-hides': {
    severity: 'warning',
    title: 'Entries behind ours do not see what ours redirects',
    cause:
      'What is captured leaves the chain at our program, and what is not goes on to the next. A network policy, a counter or a shaper behind ours sees nothing of the traffic of the mesh.',
    see: SEE,
    remedy:
      'If they have to see it (policies), put ours behind them: tcx `order: tail`, clsact a higher `priority`; they must then answer "next" to what they allow. Or have the proxy do their work.',
  },
  'chain-netkit': {
    severity: 'warning',
    title: 'Programs of a netkit pair can keep packets from ours',
    cause:
      'A netkit pair has programs of its own. Those of the pod’s end (`netkit_peer`) run before a packet comes to the hooks of the host’s end: what they send elsewhere ours do not see. Whether they do so with packets of the mesh, their instructions do not tell. Cilium has programs there, where its pods are on netkit.',
    see: ['bpftool net show dev DEV', 'bpftool link show'],
    remedy:
      'Nothing can be put before them: have them answer TC_ACT_OK or TC_ACT_UNSPEC to packets of the mesh, or put pods of the mesh on veths.',
  },
  'chain-priority-taken': {
    severity: 'error',
    title: 'Others have our priority with another kind of filter',
    cause:
      'At one priority of clsact there can be filters of one kind and protocol only: the kernel refuses ours, and enrolling fails (`ERR_CONFLICT`).',
    see: SEE,
    remedy: 'Choose another `priority` for the engine.',
  },
  'chain-priority-shared': {
    severity: 'warning',
    title: 'Others have a filter at our priority',
    cause:
      'At one priority the youngest filter is asked first. Which of the two comes first depends on who was attached last, and changes without notice.',
    see: SEE,
    remedy: 'Choose another `priority` for the engine, or have them choose.',
  },
  'chain-ingress-qdisc': {
    severity: 'warning',
    title: 'An ingress qdisc leaves tcx as the only way',
    cause:
      'It stands in the place of clsact and has no side for what goes to the pod. By tcx, which this kernel has, both programs are attached all the same; a kernel without tcx could not enroll this pod. The CNI plugin bandwidth makes such a qdisc.',
    see: QDISC,
    remedy: 'Nothing to do, as long as the option `attach` is not `clsact`.',
  },
  'chain-no-egress': {
    severity: 'error',
    title: 'An ingress qdisc leaves no place for app_inbound',
    cause:
      'It stands in the place of clsact and has no side for what goes to the pod, and programs are attached by clsact. Enrolling the pod fails (`ERR_CONFLICT`).',
    see: QDISC,
    remedy:
      'Use tcx (Linux 6.6; option `attach`), or have the owner of the qdisc use clsact; for the CNI plugin bandwidth, take the limit off the pod.',
  },
};
