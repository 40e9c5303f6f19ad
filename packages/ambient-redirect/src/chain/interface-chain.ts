import {
  chain,
  ProgramReader,
  TC_ACT,
  type ChainEntry,
  type Direction,
  type HookChain,
  type NetlinkSocket,
  type Netns,
  type Sys,
  type Verdict,
} from 'netlink-tc';

/** One thing that a packet meets on a hook, as plain data. */
export interface ChainLine {
  readonly layer: 'tcx' | 'clsact';
  /** Name of the program, or of the filter's kind where it has none; undefined where the program may not be read. */
  readonly name: string | undefined;
  /** Whether it is the engine's. */
  readonly ours: boolean;
  readonly program: { readonly id: number; readonly tag: string | undefined } | undefined;
  /** Id of the tcx link; undefined where it was attached without one, and for filters. */
  readonly linkId: number | undefined;
  /** The filter of clsact, by what `tc filter show` names it. */
  readonly filter:
    | { readonly kind: string; readonly priority: number; readonly handle: number; readonly protocol: number }
    | undefined;
  /** What its program can return: `unspec`, `ok`, `shot`, `redirect`…, `?` for what cannot be told; none where it was not read. */
  readonly returns: readonly string[];
  /** What becomes of a packet that meets it. */
  readonly verdicts: readonly Verdict[];
  /** Whether a packet gets here. */
  readonly reached: 'always' | 'maybe' | 'never';
  /** Places in the chain, from 0, of those that can keep packets from it. */
  readonly shadowedBy: readonly number[];
}

/** Everything that a packet meets on one side of an interface, in its order. */
export interface InterfaceChain {
  readonly interface: string;
  /** Whose interface it is: of the host's network namespace, or the proxy's own. */
  readonly where: 'host' | 'proxy';
  readonly index: number;
  readonly direction: Direction;
  readonly entries: readonly ChainLine[];
  /** Whether a packet is still there after the hook: neither dropped, nor taken, nor redirected. */
  readonly passes: HookChain['passes'];
}

/** What {@link readChains} goes by. */
export interface ReadChainsOptions {
  /** The interfaces, in the namespace of the socket. */
  readonly links: readonly { readonly index: number; readonly name: string }[];
  /** The namespace of the interfaces and of the socket, where that is not the thread's. */
  readonly netns?: Netns;
  readonly where: InterfaceChain['where'];
  /** Ids of the programs that are the engine's. */
  readonly ours: ReadonlySet<number>;
  /** Who has read the programs of other interfaces: pods share programs, and to follow one takes its time. One of its own if left out. */
  readonly reader?: ProgramReader;
}

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];
const CODES = new Map<number, string>(Object.entries(TC_ACT).map(([name, code]) => [code, name.toLowerCase()]));

/**
 * Reads the chains of interfaces, both sides of each.
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such interface (any more), `ERR_PERMISSION` without `CAP_NET_ADMIN`
 */
export async function readChains(
  sys: Sys,
  socket: NetlinkSocket,
  { links, netns, where, ours, reader = new ProgramReader(sys) }: ReadChainsOptions,
): Promise<InterfaceChain[]> {
  const chains: InterfaceChain[] = [];
  for (const { index, name } of links) {
    for (const direction of DIRECTIONS) {
      const { entries, passes } = await chain(sys, socket, {
        device: index,
        direction,
        reader,
        ...(netns && { netns }),
      });
      chains.push({
        interface: name,
        where,
        index,
        direction,
        passes,
        entries: entries.map((entry) => lineOf(entry, ours)),
      });
    }
  }
  return chains;
}

function lineOf(entry: ChainEntry, ours: ReadonlySet<number>): ChainLine {
  const { layer, program, linkId, filter, returns, verdicts, reached, shadowedBy } = entry;
  return {
    layer,
    name: program === undefined ? filter?.kind : program.name,
    ours: program !== undefined && ours.has(program.id),
    program: program && { id: program.id, tag: program.tag },
    linkId: linkId === 0 ? undefined : linkId,
    filter: filter && {
      kind: filter.kind,
      priority: filter.priority,
      handle: filter.handle,
      protocol: filter.protocol,
    },
    returns: [
      ...(returns?.codes ?? []).map((code) => CODES.get(code) ?? String(code)),
      ...(returns?.unknown === true ? ['?'] : []),
    ],
    verdicts,
    reached,
    shadowedBy,
  };
}
