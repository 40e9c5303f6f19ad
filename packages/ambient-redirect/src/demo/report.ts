import type { HookChain } from 'netlink-tc';

/** Something that the demo says will happen, and what happened. */
export interface DemoCheck {
  /** What was done: `client → server, IPv4`. */
  readonly what: string;
  /** What was expected of it, in words. */
  readonly expected: string;
  readonly found: string;
  readonly ok: boolean;
  /** Which program did it; undefined where none should. */
  readonly by: string | undefined;
}

/** What a packet meets at one side of an interface. */
export interface DemoChain {
  readonly interface: string;
  readonly chain: HookChain;
}

/** One line of the counters. */
export interface DemoCount {
  readonly pod: string;
  readonly direction: 'outbound' | 'inbound';
  readonly family: 'ipv4' | 'ipv6';
  readonly verdict: string;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** All that the demo saw. */
export interface DemoReport {
  readonly ok: boolean;
  /** `uname -r`. */
  readonly kernel: string;
  readonly attached: 'tcx' | 'clsact';
  /** How connections found the proxy's listeners, and why so. */
  readonly steering: { readonly mode: string; readonly reason: string };
  readonly checks: readonly DemoCheck[];
  readonly chains: readonly DemoChain[];
  readonly counts: readonly DemoCount[];
  readonly milliseconds: number;
}
