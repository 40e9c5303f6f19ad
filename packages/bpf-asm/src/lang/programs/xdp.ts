import type { AttachType, Program } from '../../asm/index.ts';
import { buildProgram, type Describe, type ProgramOptions } from '../build.ts';
import { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX } from '../constants.ts';
import type { ContextView } from '../context.ts';
import { XDP_MD_FIELDS } from '../contexts/xdp-md.ts';
import type { Ended } from '../ended.ts';
import { asMap, scalar, type Scalar } from '../helper-arguments.ts';
import { ACTS, callHelper } from '../helper-call.ts';
import type { MapHandle } from '../maps.ts';
import { ending, endWith, packetContext, toolbox, type Packet, type Toolbox } from '../toolbox.ts';
import type { Unit } from '../unit.ts';

/** What a program at an XDP hook has to work with. */
export interface XdpTools<L extends string> extends Toolbox<'xdp', L> {
  /** The packet: where it came in, and its headers from the Ethernet header on. */
  readonly packet: ContextView<typeof XDP_MD_FIELDS> & Packet;
  /** Hands the packet to the network stack (`XDP_PASS`). */
  readonly pass: () => Ended;
  /** Drops the packet (`XDP_DROP`). */
  readonly drop: () => Ended;
  /** Sends the packet back out of its device (`XDP_TX`). */
  readonly tx: () => Ended;
  /** Drops the packet as an error that a tracepoint tells of (`XDP_ABORTED`). */
  readonly aborted: () => Ended;
  /** Sends the packet out of another device (Linux 4.14). */
  readonly redirect: (ifindex: Scalar) => Ended;
  /** Sends the packet to the device at an index of a map; gives `otherwise`, such as `XDP_PASS`, where there is none (Linux 4.14). */
  readonly redirectMap: (map: MapHandle, key: Scalar, otherwise?: number) => Ended;
}

/**
 * Describes a program for an XDP hook (`BPF_PROG_TYPE_XDP`), which sees packets before the network stack.
 *
 * @param name - 1 to 15 letters, digits and underscores.
 * @param options - its licence, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 */
export function xdp<const L extends string, O extends ProgramOptions<L> & { readonly attach?: AttachType }>(
  name: string,
  options: O & ProgramOptions<L>,
  describe: Describe<XdpTools<L>, O>,
): Program {
  return buildProgram('xdp', name, options, tools<L>, describe);
}

function tools<L extends string>(unit: Unit): XdpTools<L> {
  return {
    ...toolbox<'xdp', L>(unit),
    packet: packetContext(unit, 'xdp_md', XDP_MD_FIELDS, { data: 0, end: 4, size: 4 }),
    pass: ending(unit, XDP_PASS),
    drop: ending(unit, XDP_DROP),
    tx: ending(unit, XDP_TX),
    aborted: ending(unit, XDP_ABORTED),
    redirect: (ifindex) => {
      const scope = unit.scope();
      return endWith(unit, callHelper(scope, 'redirect', [scalar(scope, ifindex), scalar(scope, 0)], ACTS));
    },
    redirectMap: (map, key, otherwise = XDP_ABORTED) => {
      const scope = unit.scope();
      const { definition } = asMap(scope, 'redirectMap', map);
      const args = [scope.at().map(definition.name), scalar(scope, key), scalar(scope, otherwise)];
      return endWith(unit, callHelper(scope, 'redirect_map', args, ACTS));
    },
  };
}
