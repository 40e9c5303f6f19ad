import { all, not, TCP_FLAG, when, type Condition, type Ended, type View } from 'bpf-asm';
import { direct, EXEMPT, exempt, type DirectFlow } from '../maps.ts';
import type { AppFacts } from './facts.ts';
import { hasPolicy } from './rules.ts';
import type { FlowKey, Segment } from './segment.ts';
import type { Tools } from './tools.ts';

/** A segment of a connection, in the light of its pod's policy. */
export interface Connection {
  readonly flow: FlowKey;
  readonly segment: Segment;
  /** Who sent the segment: the pod, or the other side. */
  readonly sender: 'pod' | 'other';
}

/** What can become of a segment. */
export interface Fates {
  readonly captured: () => Ended;
  readonly excluded: () => Ended;
  readonly preserved: () => Ended;
}

/** Whether every connection is captured, so that nothing has to be known of them. */
export function capturesAll({ mode, policy }: AppFacts): boolean {
  return mode === 'full' && !hasPolicy(policy);
}

/**
 * Whether new connections run past the proxy. So do those then that the proxy opens to the pod by way of the node's stack: their answers must
 * take the same way, or connection tracking sees one direction alone.
 */
export function notesAll({ mode }: AppFacts): boolean {
  return mode === 'observe' || mode === 'drain';
}

/** Notes that a connection runs past the proxy. @returns whether there was room for it */
export function noteNew({ update }: Tools, flow: FlowKey): Condition {
  return update(direct, flow, NEW).eq(0);
}

/**
 * What becomes of a new connection.
 *
 * @param isExcluded - whether the policy excludes it.
 * @param isMasqueraded - it comes from elsewhere by an address of the host: noted where it is captured.
 */
export function newConnection(
  tools: Tools,
  { mode, policy }: AppFacts,
  { flow }: Connection,
  { captured, excluded, preserved }: Fates,
  { isExcluded, isMasqueraded = false }: { readonly isExcluded: () => Condition; readonly isMasqueraded?: boolean },
): Ended {
  const { lookup, update, remove } = tools;
  if (mode === 'observe') {
    noteNew(tools, flow);
    return preserved();
  }
  if (mode === 'drain') when(noteNew(tools, flow), preserved);
  if (mode === 'preserve') {
    lookup(direct, flow).ifPresent((known) => {
      when(known.open.eq(0), preserved);
      remove(direct, flow);
    });
  }
  if (hasPolicy(policy)) {
    when(isExcluded(), () => {
      update(exempt, flow, EXEMPT.excluded);
      return excluded();
    });
  }
  if (isMasqueraded) update(exempt, flow, EXEMPT.masqueraded);
  else if (hasPolicy(policy)) remove(exempt, flow);
  return captured();
}

/** What becomes of a segment that is not the first of its connection. */
export function laterSegment(tools: Tools, facts: AppFacts, connection: Connection, fates: Fates): Ended {
  const { mode, policy } = facts;
  const { captured, excluded, preserved } = fates;
  if (mode === 'observe') return preserved();
  if (mode !== 'full') {
    tools.lookup(direct, connection.flow).ifPresent((known) => runsOn(tools, connection, known, fates));
  }
  if (hasPolicy(policy)) {
    tools.lookup(exempt, connection.flow).ifPresent((why) => {
      when(why.get().eq(EXEMPT.excluded), excluded);
    });
  }
  return captured();
}

/** A segment of a connection that runs past the proxy: its state is kept, so that the next one by the same ports is known to be new. */
function runsOn(
  { remove }: Tools,
  { flow, segment, sender }: Connection,
  known: KnownFlow,
  { captured, preserved }: Fates,
): Ended {
  const { flags } = segment;
  const hasEnded = all(flags.hasAny(TCP_FLAG.SYN), known.podFin.ne(0), () => known.otherFin.ne(0));
  when(hasEnded, () => {
    remove(direct, flow);
    return captured();
  });
  when(flags.hasAny(TCP_FLAG.RST), () => {
    remove(direct, flow);
    return preserved();
  });
  // Not by the answer to a SYN: where that is lost, both are sent again, at about the same time, and the SYN may pass last. Written only where it
  // changes: other CPUs have the same bytes in their caches.
  when(not(flags.hasAny(TCP_FLAG.SYN)), () => {
    when(known.open.eq(0), () => known.set({ open: 1 }));
  });
  when(flags.hasAny(TCP_FLAG.FIN), () => {
    if (sender === 'pod') when(known.podFin.eq(0), () => known.set({ podFin: 1 }));
    else when(known.otherFin.eq(0), () => known.set({ otherFin: 1 }));
  });
  return preserved();
}

type KnownFlow = View<{ [K in keyof typeof DirectFlow.fields]: (typeof DirectFlow.fields)[K]['layout'] }>;

/** Only its SYN was seen, and the answer to that at most. */
const NEW = { open: 0, podFin: 0, otherFin: 0 } as const;
