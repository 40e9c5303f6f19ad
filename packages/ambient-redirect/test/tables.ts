/** Tables of packets, and what a program is to make of each: asked in the interpreter and in the kernel alike. */
import type { Program } from 'bpf-asm';
import { expect } from 'vitest';
import { counterIndex, POD_FLAG, type DIRECTION, type Verdict } from '../src/maps.ts';
import type { AppFacts, DirectionRules } from '../src/programs/index.ts';
import { ENROLLED, putPod, type PodEntry } from './pods.ts';
import type { Arrival, Runner } from './runners.ts';

/** Verdicts of the hook. */
export const NEXT: number = -1;
const DROP = 2;
export const REDIRECT = 7;

/** A packet, and what becomes of it. */
export interface Row {
  readonly what: string;
  readonly packet: Uint8Array;
  /** Why; nothing where it is left alone without being counted. */
  readonly reason?: Verdict;
  /** The slot that it is counted for: 1 where nothing is said. */
  readonly slot?: number;
  readonly arrival?: Arrival;
  /** Its first bytes afterwards, where they change. */
  readonly start?: Uint8Array;
}

/** A row that differs from another. */
export function changed(row: Row, by: Partial<Row>): Row {
  return { ...row, ...by };
}

const NONE = { ipv4: [], ipv6: [] };

/** Rules that exclude nothing. */
export const NO_RULES: DirectionRules = {
  includeCidrs: NONE,
  excludeCidrs: NONE,
  includePorts: [],
  excludePorts: [],
};

/** The interface of the pod under test: a test run in the kernel is at the first one. */
const POD_IFINDEX = 1;

/** The proxy's interface: there is none of this number, so that no test run sends anything. */
export const PROXY = { ifindex: 7777, mac: '02:00:00:00:00:77' } as const;

/** The MAC address of {@link PROXY}, as it stands in a packet. */
export const PROXY_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 0x77);

/** Everything on, nothing excluded. */
export const FACTS: AppFacts = {
  node: {
    podCidrs: { ipv4: '10.244.1.0/24', ipv6: 'fd00:1::/112' },
    host: { ipv4: ['10.0.0.1', '10.244.1.1'], ipv6: ['fd00::1', 'fd00:1::1'] },
    bypass: { ipv4: ['169.254.0.0/16'], ipv6: ['fd00:9::/32'] },
  },
  policy: { dns: true, outbound: NO_RULES, inbound: NO_RULES },
  proxy: PROXY,
  mode: 'full',
};

/** Pods of the node: the one under test has an address in the node's prefix and one elsewhere; the neighbour drains. */
export const PODS: Readonly<Record<string, PodEntry>> = {
  '10.244.1.5': { ifindex: POD_IFINDEX, slot: 1, flags: ENROLLED },
  'fd00:1::5': { ifindex: POD_IFINDEX, slot: 1, flags: ENROLLED },
  '192.168.9.5': { ifindex: POD_IFINDEX, slot: 1, flags: ENROLLED },
  'fd00:99::5': { ifindex: POD_IFINDEX, slot: 1, flags: ENROLLED },
  '10.244.1.6': { ifindex: 12, slot: 2, flags: ENROLLED },
  'fd00:1::6': { ifindex: 12, slot: 2, flags: ENROLLED },
  '192.168.9.6': { ifindex: 12, slot: 2, flags: ENROLLED },
  'fd00:99::6': { ifindex: 12, slot: 2, flags: ENROLLED },
  '10.244.1.7': { ifindex: 13, slot: 3, flags: POD_FLAG.deliver },
};

/** Puts the pods where the program looks for them. */
export function withPods(runner: Runner, { node }: AppFacts): Runner {
  for (const [address, entry] of Object.entries(PODS))
    putPod((name) => runner.map(name), node.podCidrs, address, entry);
  return runner;
}

const SLOTS = [0, 1, 2, 3];

/** Runs a table through a program, and compares verdicts, bytes and every counter. */
export function checkTable(runner: Runner, direction: keyof typeof DIRECTION, rows: readonly Row[]): void {
  const wanted = new Map<number, { packets: number; bytes: number }>();
  for (const { what, packet, reason, slot = 1, arrival, start } of rows) {
    const { verdict, packet: after } = runner.run(packet, arrival);
    const left = packet.slice();
    if (start !== undefined) left.set(start);
    expect([what, verdict, hex(after)]).toEqual([what, hookVerdict(reason), hex(left)]);
    if (reason === undefined) continue;
    const family = packet[12] === 0x86 ? 'ipv6' : 'ipv4';
    const index = counterIndex(slot, direction, family, reason);
    const { packets, bytes } = wanted.get(index) ?? { packets: 0, bytes: 0 };
    wanted.set(index, { packets: packets + 1, bytes: bytes + packet.length });
    expect([what, runner.counted(index)]).toEqual([what, wanted.get(index)]);
  }
  for (const slot of SLOTS) {
    for (let what = 0; what < 64; what++) {
      const index = (slot << 6) | what;
      expect([index, runner.counted(index)]).toEqual([index, wanted.get(index) ?? { packets: 0, bytes: 0 }]);
    }
  }
}

/** What the hook is told for a reason. */
function hookVerdict(reason: Verdict | undefined): number {
  if (reason === 'captured' || reason === 'dns') return REDIRECT;
  return reason === 'spoofed' || reason === 'droppedWithoutProxy' ? DROP : NEXT;
}

/** Makes each program once for all tests of a file. */
export function remembered(make: (facts: AppFacts) => Program): (facts: AppFacts) => Program {
  const made = new Map<string, Program>();
  return (facts) => {
    const key = JSON.stringify(facts);
    const program = made.get(key) ?? make(facts);
    made.set(key, program);
    return program;
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
