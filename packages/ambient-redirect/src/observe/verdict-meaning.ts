import type { Verdict } from '../maps.ts';

/** What became of a packet: it was handed on by a redirection, took its usual way, or was dropped. */
export type Outcome = 'redirected' | 'passed' | 'dropped';

/** What a verdict means. */
export interface VerdictMeaning {
  readonly outcome: Outcome;
  /** Why, in words: a phrase that stands after the outcome. */
  readonly reason: string;
}

/** What each verdict means, for people. */
export const VERDICT_MEANING: Readonly<Record<Verdict, VerdictMeaning>> = {
  captured: { outcome: 'redirected', reason: 'to the proxy: of a TCP connection of the pod' },
  dns: { outcome: 'redirected', reason: 'to the proxy: a DNS query, which the policy of the pod has captured' },
  icmpCopied: { outcome: 'passed', reason: 'with a copy to the proxy: an ICMP error about a TCP connection' },
  delivered: { outcome: 'redirected', reason: 'straight into the pod: the proxy sent it' },
  fromProxy: { outcome: 'passed', reason: "the proxy sent it, by way of the node's stack" },
  host: { outcome: 'passed', reason: 'to or from the host itself, as probes are' },
  bypassed: { outcome: 'passed', reason: 'to or from a prefix that the node bypasses' },
  excluded: { outcome: 'passed', reason: 'the policy of the pod excludes it' },
  preserved: { outcome: 'passed', reason: 'of a connection that runs past the proxy until it ends' },
  other: { outcome: 'passed', reason: 'neither TCP nor DNS that is captured' },
  passedWithoutProxy: { outcome: 'passed', reason: 'there is no proxy, and packets are to pass then' },
  droppedWithoutProxy: { outcome: 'dropped', reason: 'there is no proxy' },
  spoofed: { outcome: 'dropped', reason: 'it says that it is from an address that its sender does not have' },
};
