import type { EnrollOptions } from './enroll.ts';
import type { ProxyReference } from './proxy-state.ts';
import type { PodRequest } from './roster.ts';

/** What is to be done to a node. */
export type Operation =
  | { readonly kind: 'enroll'; readonly pods: readonly PodRequest[]; readonly options?: EnrollOptions }
  | { readonly kind: 'unenroll'; readonly ids: readonly string[] }
  | { readonly kind: 'set-proxy'; readonly proxy: ProxyReference; readonly handover?: boolean }
  | { readonly kind: 'clear-proxy' }
  | { readonly kind: 'reconcile' | 'upgrade' }
  | { readonly kind: 'teardown' };

/** One thing that is to change on the node. */
export interface PlannedChange {
  /** `set` is for a setting that has a value before and after. */
  readonly action: 'make' | 'replace' | 'remove' | 'set';
  /** Where: the name of an interface of the host, `node`, `proxy` or `earlier proxy` (their namespaces), `state` (what is pinned). */
  readonly where: string;
  readonly kind: 'qdisc' | 'hook' | 'steering' | 'setting' | 'route' | 'program' | 'map' | 'pin';
  /** What: `app_outbound on ingress`, `net/ipv4/conf/all/rp_filter`. */
  readonly what: string;
  /** How: by what a program is attached, and at which place among others; whether a qdisc is used that is there. */
  readonly how?: string;
  /** What is there before; of a program its id. */
  readonly before?: string;
  /** What is there after. */
  readonly after?: string;
  /** Its pin, as a path below the directory. */
  readonly pin?: string;
}

/** What an operation would change, in the order in which it is told. */
export interface NodePlan {
  readonly directory: string;
  readonly changes: readonly PlannedChange[];
  /** What is good to know, and cannot be said of one change. */
  readonly notes: readonly string[];
  /** What could not be done, and why: pods that would not be enrolled. */
  readonly refused: readonly { readonly subject: string; readonly error: unknown }[];
}
