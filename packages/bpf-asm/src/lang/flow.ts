import type { IrValue } from '../compile/index.ts';
import type { SourcePosition } from '../source.ts';

/** A stretch of the program in which pointers into the packet stay good. */
export interface Epoch {
  /** What ended the one before: the name of the helper, and where it was called. */
  readonly after?: { readonly what: string; readonly source: SourcePosition | undefined };
}

/** Where in the packet the next header begins. */
export interface Cursor {
  /** A pointer into the packet. */
  readonly base: IrValue;
  /** Bytes from there. */
  readonly offset: number;
  /** Bytes besides that only the packet knows, such as options; put into `base` when the next header is parsed. */
  readonly more?: () => IrValue;
}

/** Something that must be dealt with before the program ends. */
export interface Held {
  /** What it is, for messages. */
  readonly what: string;
  readonly source: SourcePosition | undefined;
  /** Gives it back by itself; nothing where the author has to say how. */
  readonly release?: () => void;
  /** What is wrong where a path ends with it, and what to do: where it does not release itself. */
  readonly unsettled?: { readonly problem: string; readonly hint: string };
}

/** What is known at a point of the program, on the path that leads there. Never changed: a step makes a new one. */
export interface Flow {
  readonly epoch: Epoch;
  /** The packet's first byte and the one after its last, once they are loaded. */
  readonly packet: { readonly data: IrValue; readonly end: IrValue } | undefined;
  /** Nothing before the first header; `'unknown'` where paths meet that stand at different places. */
  readonly cursor: Cursor | 'unknown' | undefined;
  /** Oldest first. */
  readonly held: readonly Held[];
}

/** At the start of a function. */
export function initialFlow(): Flow {
  return { epoch: {}, packet: undefined, cursor: undefined, held: [] };
}

/** What is known where several paths meet; all of them hold the same things. */
export function mergeFlows(flows: readonly [Flow, ...Flow[]]): Flow {
  const [first, ...rest] = flows;
  if (rest.every((flow) => flow === first)) return first;
  const same = <T>(pick: (flow: Flow) => T): boolean => rest.every((flow) => pick(flow) === pick(first));
  const changed = flows.find((flow) => flow.epoch.after !== undefined && flow.epoch !== first.epoch) ?? first;
  const epoch = same((flow) => flow.epoch) ? first.epoch : { ...changed.epoch };
  return {
    epoch,
    packet: same((flow) => flow.packet) ? first.packet : undefined,
    cursor: same((flow) => flow.cursor) ? first.cursor : 'unknown',
    held: first.held,
  };
}
