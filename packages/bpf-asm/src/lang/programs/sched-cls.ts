import type { Program } from '../../asm/index.ts';
import { buildProgram, type Describe, type ProgramOptions } from '../build.ts';
import { TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC } from '../constants.ts';
import type { ContextView } from '../context.ts';
import { SK_BUFF_FIELDS } from '../contexts/sk-buff.ts';
import type { Ended } from '../ended.ts';
import { ACTS, callHelper } from '../helper-call.ts';
import { scalar, type Scalar } from '../helper-arguments.ts';
import { ending, endWith, packetContext, toolbox, type Packet, type Toolbox } from '../toolbox.ts';
import type { Unit } from '../unit.ts';

/** What a program at a tc hook has to work with. */
export interface SchedClsTools<L extends string> extends Toolbox<'sched_cls', L> {
  /** The packet: its metadata, and its headers from the Ethernet header on. */
  readonly skb: ContextView<typeof SK_BUFF_FIELDS> & Packet;
  /** Not ours: the next program or filter decides (`TC_ACT_UNSPEC`, which is `TCX_NEXT`). */
  readonly next: () => Ended;
  /** Lets the packet pass, and ends the chain: nobody after this program sees it (`TC_ACT_OK`). */
  readonly ok: () => Ended;
  /** Drops the packet (`TC_ACT_SHOT`). */
  readonly drop: () => Ended;
  /** Sends the packet out of a device, or makes it come in there with `ingress` (Linux 4.4). */
  readonly redirect: (ifindex: Scalar, options?: { readonly ingress?: boolean }) => Ended;
  /** Sends the packet to the peer of a device, in the other namespace, at once; from an ingress hook only (Linux 5.10). */
  readonly redirectPeer: (ifindex: Scalar) => Ended;
  /** Sends the packet out of a device with the link-layer address of the next hop, which the kernel finds (Linux 5.10). */
  readonly redirectNeigh: (ifindex: Scalar) => Ended;
}

/**
 * Describes a program for a tc hook (`BPF_PROG_TYPE_SCHED_CLS`): clsact, or tcx from Linux 6.6.
 *
 * @param name - what `tc filter show` and `bpftool prog` print: 1 to 15 letters, digits and underscores.
 * @param options - its licence, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @returns the program, as a value; nothing is loaded.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 * @example
 * ```ts
 * const dropTelnet = schedCls('drop_telnet', { licence: 'Apache-2.0' }, ({ skb, next, drop }) => {
 *   const [eth, ip] = skb.parse([Ethernet, IPv4], next);
 *   when(any(eth.type.ne(ETH_P_IP), ip.protocol.ne(IPPROTO_TCP), ip.isFragmentTail), next);
 *   when(skb.parse(Tcp, next).destination.eq(23), drop);
 *   return next();
 * });
 * ```
 */
export function schedCls<const L extends string, O extends ProgramOptions<L>>(
  name: string,
  options: O & ProgramOptions<L>,
  describe: Describe<SchedClsTools<L>, O>,
): Program {
  return buildProgram('sched_cls', name, options, tools<L>, describe);
}

function tools<L extends string>(unit: Unit): SchedClsTools<L> {
  const redirect = (helper: string, ifindex: Scalar, ...rest: readonly number[]): Ended => {
    const scope = unit.scope();
    const args = [ifindex, ...rest].map((each) => scalar(scope, each));
    const verdict = callHelper(scope, helper, args, ACTS);
    return endWith(unit, verdict);
  };
  return {
    ...toolbox<'sched_cls', L>(unit),
    skb: packetContext(unit, '__sk_buff', SK_BUFF_FIELDS, { data: 76, end: 80, size: 4 }),
    next: ending(unit, TC_ACT_UNSPEC),
    ok: ending(unit, TC_ACT_OK),
    drop: ending(unit, TC_ACT_SHOT),
    redirect: (ifindex, { ingress = false } = {}) => redirect('redirect', ifindex, ingress ? 1 : 0),
    redirectPeer: (ifindex) => redirect('redirect_peer', ifindex, 0),
    redirectNeigh: (ifindex) => redirect('redirect_neigh', ifindex, 0, 0, 0),
  };
}
