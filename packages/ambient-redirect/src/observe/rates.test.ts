import fc from 'fast-check';
import { expect, test } from 'vitest';
import { STEERED } from '../maps.ts';
import { ratesOf, type Counts } from './rates.ts';
import type { SteeredCounts, TrafficCount } from './traffic-counters.ts';

const steered = (outbound: bigint): SteeredCounts => ({
  ...(Object.fromEntries(Object.keys(STEERED).map((name) => [name, 0n])) as unknown as SteeredCounts),
  outbound,
});
const traffic = (packets: bigint, more: Partial<TrafficCount> = {}): TrafficCount => ({
  direction: 'outbound',
  family: 'ipv4',
  verdict: 'captured',
  packets,
  bytes: packets * 100n,
  ...more,
});
const counts = (packets: bigint, opened: bigint, outbound = 0n): Counts => ({
  pods: [
    {
      id: 'a',
      traffic: [traffic(packets), traffic(packets, { family: 'ipv6' }), traffic(7n, { verdict: 'host' })],
      connections: [{ direction: 'outbound', family: 'ipv4', count: opened }],
    },
  ],
  steered: steered(outbound),
});

test('rates are by pod, direction and verdict, both families together', () => {
  const { pods, steered: atProxy } = ratesOf(counts(100n, 3n, 5n), counts(120n, 13n, 9n), 2);
  expect(pods).toEqual([
    {
      id: 'a',
      connections: { outbound: 5, inbound: 0 },
      traffic: [{ direction: 'outbound', verdict: 'captured', packets: 20, bytes: 2000 }],
    },
  ]);
  expect(atProxy).toMatchObject({ outbound: 2, plaintext: 0 });
});

test('a pod that is new, or was enrolled anew, counts from its enrolment on', () => {
  const { pods } = ratesOf({ ...counts(0n, 0n), pods: [] }, counts(10n, 1n), 1);
  expect(pods[0]).toMatchObject({
    connections: { outbound: 1 },
    traffic: [{ packets: 20 }, { verdict: 'host', packets: 7 }],
  });
  expect(ratesOf(counts(1000n, 50n), counts(10n, 1n), 1).pods[0]).toMatchObject({
    connections: { outbound: 1 },
    traffic: [{ packets: 20 }],
  });
});

test('what has passed is what the rates say, whatever the interval', () => {
  const amount = fc.bigInt({ min: 0n, max: 1_000_000n });
  fc.assert(
    fc.property(amount, amount, fc.integer({ min: 1, max: 100 }), (from, by, seconds) => {
      const [pod] = ratesOf(counts(from, from), counts(from + by, from + by), seconds).pods;
      const packets = (pod?.traffic[0]?.packets ?? 0) * seconds;
      expect(Math.round(packets)).toBe(Number(2n * by));
      expect(Math.round((pod?.connections.outbound ?? 0) * seconds)).toBe(Number(by));
    }),
  );
});
