import { expect, test } from 'vitest';
import { CONNECTION, counterIndex, STEERED } from '../maps.ts';
import { readConnections, readSteered, readTraffic } from './traffic-counters.ts';

type Sum = { readonly packets: bigint; readonly bytes: bigint };

/** A map with some entries; what is not there is undefined, as it is of a kernel map that has fewer. */
function mapOf<T>(entries: readonly (readonly [number, readonly T[]])[]): {
  lookup(key: number): readonly T[] | undefined;
} {
  const all = new Map(entries);
  return { lookup: (key) => all.get(key) };
}

const sums = (...packets: readonly bigint[]): Sum[] => packets.map((each) => ({ packets: each, bytes: each * 100n }));

test('what is counted of a pod is summed over the CPUs, and only of that pod', () => {
  const counters = mapOf<Sum>([
    [counterIndex(3, 'outbound', 'ipv4', 'captured'), sums(1n, 2n ** 60n, 0n)],
    [counterIndex(3, 'inbound', 'ipv6', 'spoofed'), sums(0n, 4n)],
    [counterIndex(3, 'inbound', 'ipv4', 'host'), sums(0n, 0n)],
    [counterIndex(3, 'inbound', 'ipv4', CONNECTION), sums(2n, 3n)],
    [counterIndex(4, 'outbound', 'ipv4', 'captured'), sums(9n)],
  ]);
  const packets = 2n ** 60n + 1n;
  expect(readTraffic(counters, 3)).toEqual([
    { direction: 'outbound', family: 'ipv4', verdict: 'captured', packets, bytes: packets * 100n },
    { direction: 'inbound', family: 'ipv6', verdict: 'spoofed', packets: 4n, bytes: 400n },
  ]);
  // They are no packets.
  expect(readConnections(counters, 3)).toEqual([{ direction: 'inbound', family: 'ipv4', count: 5n }]);
  expect([readTraffic(counters, 5), readConnections(counters, 5)]).toEqual([[], []]);
});

test('what became of connections: each kind, also those that there were none of', () => {
  const steered = readSteered(mapOf<bigint>([[STEERED.outbound, [1n, 2n]]]));
  expect(Object.keys(steered)).toEqual(Object.keys(STEERED));
  expect(steered).toMatchObject({ outbound: 3n, noListener: 0n });
});
