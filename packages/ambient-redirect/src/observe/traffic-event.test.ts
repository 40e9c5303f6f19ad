import { expect, test } from 'vitest';
import { DIRECTION, SNAPSHOT, SnapshotRecord, TrafficRecord, VERDICT, type Verdict } from '../maps.ts';
import { readTrafficEvent } from './traffic-event.ts';

const RECORD = {
  time: 7n,
  source: '::ffff:10.244.1.5',
  destination: '::ffff:10.96.0.10',
  sourcePort: 40_000,
  destinationPort: 443,
  protocol: 6,
  what: VERDICT.captured as number,
  slot: 3,
  length: 66,
  ifindex: 11,
};
const podOf = (slot: number): string | undefined => (slot === 3 ? 'shop/cart' : undefined);
const read = (changes: Partial<typeof RECORD> = {}): ReturnType<typeof readTrafficEvent> =>
  readTrafficEvent(TrafficRecord.encode({ ...RECORD, ...changes }), podOf);

test('a record of IPv4, and one of IPv6', () => {
  expect(read()).toEqual({
    time: 7n, pod: 'shop/cart', direction: 'outbound', family: 'ipv4', verdict: 'captured', program: 'app_outbound', protocol: 6,
    source: '10.244.1.5', destination: '10.96.0.10', sourcePort: 40_000, destinationPort: 443, length: 66, ifindex: 11,
  }); // prettier-ignore
  const addresses = { source: 'fd00::5', destination: '::ffff:10.0.0.1' };
  expect(read({ ...addresses, what: 16 | VERDICT.host, slot: 4 })).toMatchObject({
    ...addresses,
    family: 'ipv6',
    verdict: 'host',
    pod: undefined,
  });
});

test.each(Object.keys(VERDICT) as Verdict[])('%s is told with the program that decided', (verdict) => {
  for (const direction of ['outbound', 'inbound'] as const) {
    const usual = direction === 'outbound' ? 'app_outbound' : 'app_inbound';
    const program = verdict === 'delivered' ? 'ztunnel_host_in' : usual;
    const what = (DIRECTION[direction] << 5) | VERDICT[verdict];
    expect(read({ what })).toMatchObject({ direction, verdict, program });
  }
});

test('a verdict that there is no word for yet, and a record of another size', () => {
  expect(read({ what: 15 })).toMatchObject({ verdict: 'other' });
  const bytes = TrafficRecord.encode(RECORD);
  expect(readTrafficEvent(bytes.subarray(1), podOf)).toBeUndefined();
  expect(readTrafficEvent(new Uint8Array(bytes.length + 1), podOf)).toBeUndefined();
});

test('first bytes: as many as the packet has, and no more than are taken', () => {
  const packet = Uint8Array.from({ length: SNAPSHOT }, (_, at) => at);
  const of = (length: number): Uint8Array | undefined =>
    readTrafficEvent(SnapshotRecord.encode({ traffic: { ...RECORD, length }, packet }), podOf)?.packet;
  expect(of(66)).toEqual(packet.subarray(0, 66));
  expect(of(1_500)).toEqual(packet);
});
