import { expect, test } from 'vitest';
import { VERDICT, type Verdict } from '../maps.ts';
import type { TrafficCount } from '../observe/index.ts';
import { flowsOf, sumOf, wayOf } from './flows.ts';

const VERDICTS = Object.keys(VERDICT) as Verdict[];
const of = (direction: TrafficCount['direction'], verdict: Verdict, packets: bigint): TrafficCount => ({
  direction,
  verdict,
  packets,
  family: 'ipv4',
  bytes: 0n,
});

test('every verdict has a way, and no packet is lost on it', () => {
  const all = VERDICTS.flatMap((verdict, at) => [of('outbound', verdict, BigInt(at)), of('inbound', verdict, 100n)]);
  expect(all.map(wayOf)).not.toContain(undefined);
  const sum = Object.values(flowsOf(all)).reduce((total, packets) => total + packets, 0n);
  expect(sum).toBe(all.reduce((total, { packets }) => total + packets, 0n));
});

test('what is captured goes to the proxy by its direction, what is dropped nowhere', () => {
  const one = flowsOf([of('outbound', 'captured', 3n), of('outbound', 'dns', 2n), of('inbound', 'captured', 7n)]);
  expect(one).toEqual({ outbound: 5n, inbound: 7n, delivered: 0n, direct: 0n, dropped: 0n });
  const other = flowsOf([of('inbound', 'delivered', 1n), of('outbound', 'spoofed', 4n), of('outbound', 'host', 9n)]);
  expect(sumOf([one, other])).toEqual({ outbound: 5n, inbound: 7n, delivered: 1n, direct: 9n, dropped: 4n });
});
