import type { Direction } from 'netlink-tc';
import type { CaptureMode, PolicyFacts } from '../programs/index.ts';
import type { InterfaceEnd, Topology } from '../topology/index.ts';
import type { HookRecord } from './hook.ts';

/**
 * How far a pod is. It is recorded before the first change of each, so that the next process knows what to finish:
 * - `enrolling`: on its way to be redirected;
 * - `enrolled`: as it should be;
 * - `draining`: its new connections go past the proxy, the others run to their end;
 * - `leaving`: everything of it is being taken away.
 */
export type PodPhase = 'enrolling' | 'enrolled' | 'draining' | 'leaving';

/** What is recorded of a pod: all that it takes to find it again, and to take it away. */
export interface PodRecord {
  readonly id: string;
  /** Its number in the maps, from 1. */
  readonly slot: number;
  readonly phase: PodPhase;
  readonly mode: CaptureMode;
  readonly kind: Topology['kind'];
  readonly hostInterface: InterfaceEnd;
  readonly podInterface: InterfaceEnd;
  readonly addresses: Topology['addresses'];
  /** Whether the caller gave its addresses: what its interface has besides is then none of ours. */
  readonly addressesGiven: boolean;
  /** Inode number of its network namespace, in decimal; undefined where it was named by its interface alone. */
  readonly netns: string | undefined;
  /** Path to its network namespace, where it was named by one. */
  readonly netnsPath: string | undefined;
  readonly policy: PolicyFacts;
  /** While it drains: when what is left is cut off, milliseconds since 1970. */
  readonly drainUntil?: number;
  /** Where its programs are; undefined before they are attached. */
  readonly hooks: { readonly ingress?: HookRecord; readonly egress?: HookRecord };
}

/** Names of a pod's programs, and of their filters: what `tc filter show` prints. */
export const OWNER: Readonly<Record<Direction, string>> = { ingress: 'app_outbound', egress: 'app_inbound' };

/** What the names of pods' records begin with. */
export const POD_RECORDS = 'pod/';

/** Name of a pod's record. */
export function podRecordName(id: string): string {
  return `${POD_RECORDS}${id}`;
}

/** All its addresses. */
export function addressesOf({ addresses }: Pick<PodRecord, 'addresses'>): readonly string[] {
  return [...addresses.ipv4, ...addresses.ipv6];
}
