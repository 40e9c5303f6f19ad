import type { AttachType, Program } from '../../asm/index.ts';
import { buildProgram, type Describe, type ProgramOptions } from '../build.ts';
import type { ContextView } from '../context.ts';
import { CGROUP_SKB_FIELDS } from '../contexts/sk-buff.ts';
import { SOCK_ADDR_FIELDS } from '../contexts/sock-addr.ts';
import type { Ended } from '../ended.ts';
import { contextOf, ending, packetContext, toolbox, type Packet, type Toolbox } from '../toolbox.ts';
import type { Unit } from '../unit.ts';

/** Verdicts of programs in a cgroup. */
interface CgroupVerdicts {
  /** Lets it pass (1). */
  readonly allow: () => Ended;
  /** Refuses it (0): the packet is dropped, the call fails with `EPERM`. */
  readonly deny: () => Ended;
}

/** What a program that sees the packets of a cgroup has to work with. */
export interface CgroupSkbTools<L extends string> extends Toolbox<'cgroup_skb', L>, CgroupVerdicts {
  /** The packet: its metadata, and its headers from the IP header on, to be read only. */
  readonly skb: ContextView<typeof CGROUP_SKB_FIELDS> & Packet;
}

/** What a program that sees the addresses of socket calls has to work with. */
export interface CgroupSockAddrTools<L extends string> extends Toolbox<'cgroup_sock_addr', L>, CgroupVerdicts {
  /** The call: what it asks for, which may be changed. */
  readonly call: ContextView<typeof SOCK_ADDR_FIELDS>;
}

/** Calls that programs of type `cgroup_sock_addr` are attached to. */
export type SockAddrAttach = Extract<AttachType, `cgroup_${'inet' | 'udp'}${4 | 6}_${string}`>;

/**
 * Describes a program that sees the packets of a cgroup's sockets (`BPF_PROG_TYPE_CGROUP_SKB`, Linux 4.10; headers from 5.0).
 *
 * @param name - 1 to 15 letters, digits and underscores.
 * @param options - its licence, its direction, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 */
export function cgroupSkb<const L extends string, O extends ProgramOptions<L>>(
  name: string,
  options: O & ProgramOptions<L> & { readonly attach: 'cgroup_inet_ingress' | 'cgroup_inet_egress' },
  describe: Describe<CgroupSkbTools<L>, O>,
): Program {
  const readOnly = 'programs of type cgroup_skb cannot write the packet';
  const tools = (unit: Unit): CgroupSkbTools<L> => ({
    ...toolbox<'cgroup_skb', L>(unit),
    ...verdicts(unit),
    skb: packetContext(unit, '__sk_buff', CGROUP_SKB_FIELDS, { data: 76, end: 80, size: 4, readOnly }),
  });
  return buildProgram('cgroup_skb', name, options, tools, describe);
}

/**
 * Describes a program that sees, and may change, the address of `connect`, `bind`, `sendmsg` and so on (`BPF_PROG_TYPE_CGROUP_SOCK_ADDR`, Linux 4.17).
 *
 * @param name - 1 to 15 letters, digits and underscores.
 * @param options - its licence, the call it is for, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 */
export function cgroupSockAddr<const L extends string, O extends ProgramOptions<L>>(
  name: string,
  options: O & ProgramOptions<L> & { readonly attach: SockAddrAttach },
  describe: Describe<CgroupSockAddrTools<L>, O>,
): Program {
  const tools = (unit: Unit): CgroupSockAddrTools<L> => ({
    ...toolbox<'cgroup_sock_addr', L>(unit),
    ...verdicts(unit),
    call: contextOf(unit, 'bpf_sock_addr', SOCK_ADDR_FIELDS),
  });
  return buildProgram('cgroup_sock_addr', name, options, tools, describe);
}

function verdicts(unit: Unit): CgroupVerdicts {
  return { allow: ending(unit, 1), deny: ending(unit, 0) };
}
