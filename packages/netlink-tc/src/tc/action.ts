import { i32, struct, u32, type Layout } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import { policy, type AttributeKind, type Attributes, type Policy } from '../netlink/index.ts';

/** What becomes of a packet, `TC_ACT_*` (`linux/pkt_cls.h`). */
export const TC_ACT = {
  UNSPEC: -1,
  OK: 0,
  RECLASSIFY: 1,
  SHOT: 2,
  PIPE: 3,
  STOLEN: 4,
  QUEUED: 5,
  REPEAT: 6,
  REDIRECT: 7,
  TRAP: 8,
} as const;

/** What every action's parameters begin with: `tc_gen`. */
export interface ActionParameters {
  readonly index: number;
  readonly capab: number;
  /** `TC_ACT_*`, or a jump with its target in the low bits. */
  readonly action: number;
  readonly refcnt: number;
  readonly bindcnt: number;
}

/** `struct tc_mirred`. */
export interface MirredParameters extends ActionParameters {
  /** 1 and 3 send the packet away, to the egress or ingress of a link; 2 and 4 a copy. */
  readonly eaction: number;
  /** Index of that link. */
  readonly ifindex: number;
}

/** Options of actions whose parameters this package knows. */
export interface ActionOptions<P = ActionParameters> extends Attributes {
  readonly parameters?: P | undefined;
}

/** One action of a filter: `TCA_ACT_*`. */
export interface Action extends Attributes {
  readonly kind?: string | undefined;
  /** By kind: {@link ActionOptions} for `gact` and `mirred`. */
  readonly options?: unknown;
  readonly cookie?: Uint8Array | undefined;
}

const GENERIC = { index: u32, capab: u32, action: i32, refcnt: i32, bindcnt: i32 } as const;
const GACT: Layout<ActionParameters, ActionParameters> = native(struct('tc_gact', GENERIC));
const MIRRED: Layout<MirredParameters, MirredParameters> = native(
  struct('tc_mirred', { ...GENERIC, eaction: i32, ifindex: u32 }),
);

const GACT_POLICY: Policy<ActionOptions> = policy<ActionOptions>({
  parameters: [2, 'TCA_GACT_PARMS', a.structure(GACT)],
});
const MIRRED_POLICY: Policy<ActionOptions<MirredParameters>> = policy<ActionOptions<MirredParameters>>({
  parameters: [2, 'TCA_MIRRED_PARMS', a.structure(MIRRED)],
});

const ACTION: Policy<Action> = policy<Action>({
  kind: [1, 'TCA_ACT_KIND', a.text(15)],
  options: [
    2,
    'TCA_ACT_OPTIONS',
    a.byKind('kind', { gact: a.nest(GACT_POLICY), mirred: a.nest(MIRRED_POLICY) }) as AttributeKind<
      NonNullable<unknown>
    >,
  ],
  cookie: [6, 'TCA_ACT_COOKIE', a.bytes(0, 16)],
});

/** A list of actions, run in turn. */
export const ACTIONS: AttributeKind<readonly Action[]> = a.list(a.nest(ACTION));

/** An action that sends every packet to a link, away from where it went, as the CNI plugin `bandwidth` does. */
export function redirectTo(ifindex: number, direction: 'ingress' | 'egress' = 'egress'): Action {
  const eaction = direction === 'egress' ? 1 : 3;
  const parameters = { index: 0, capab: 0, action: TC_ACT.STOLEN, refcnt: 0, bindcnt: 0, eaction, ifindex };
  return { kind: 'mirred', options: { parameters } };
}

/** An action that decides by itself: `gact`. */
export function decide(action: number): Action {
  return { kind: 'gact', options: { parameters: { index: 0, capab: 0, action, refcnt: 0, bindcnt: 0 } } };
}
