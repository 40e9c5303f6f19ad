import {
  AF_INET,
  AF_INET6,
  match,
  schedCls,
  skLookup,
  Vm,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  IPv4,
  IPv6,
  type Program,
  type Value,
} from 'bpf-asm';
import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipv4, ipv6 } from '../../../bpf-asm/test/packets.ts';
import { mapsOf, putPod } from '../../test/pods.ts';
import { POD_ARRAY_SPAN } from '../maps.ts';
import type { NodeFacts } from './facts.ts';
import { findPod, type FoundPod } from './find-pod.ts';
import { podPlace } from './pod-place.ts';

type PodCidrs = NodeFacts['podCidrs'];

const ENTRY = { ifindex: 77, slot: 511, flags: 3 };
const OPTIONS = { licence: 'Apache-2.0', positions: false } as const;
const sum = ({ ifindex, slot, flags }: FoundPod): Value<'u32'> => ifindex.add(slot.shl(8)).add(flags.shl(24));
const FOUND = ENTRY.ifindex + (ENTRY.slot << 8) + (ENTRY.flags << 24);

/** Says what it knows of the destination of a packet. */
const ofPacket = (podCidrs: PodCidrs): Program =>
  schedCls('of_packet', OPTIONS, (tools) => {
    const { skb, next, ret } = tools;
    return match(
      skb.parse(Ethernet, next).type,
      {
        [ETH_P_IP]: () => ret(sum(findPod(tools, { podCidrs }, skb.parse(IPv4, next).destination))),
        [ETH_P_IPV6]: () => ret(sum(findPod(tools, { podCidrs }, skb.parse(IPv6, next).destination))),
      },
      next,
    );
  });

/** The same of the client of a connection. */
const ofConnection = (podCidrs: PodCidrs): Program =>
  skLookup('of_connection', OPTIONS, (tools) => {
    const { connection, ret, pass } = tools;
    return match(
      connection.family,
      {
        [AF_INET]: () => ret(sum(findPod(tools, { podCidrs }, connection.remoteIp4))),
        [AF_INET6]: () => ret(sum(findPod(tools, { podCidrs }, connection.remoteIp6))),
      },
      pass,
    );
  });

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index, true));
}

/** What both kinds of program say of an address, where a pod has been put at another. */
function asked(podCidrs: PodCidrs, pod: string): (address: string) => readonly number[] {
  const [packet, connection] = [new Vm(ofPacket(podCidrs)), new Vm(ofConnection(podCidrs))];
  for (const vm of [packet, connection]) {
    // A prefix of the one family may leave the other one's map out.
    if (Object.hasOwn(vm.maps, 'hash' in podPlace(podCidrs, pod) ? 'pod_hash' : 'pod_array')) {
      putPod(mapsOf(vm), podCidrs, pod, ENTRY);
    }
  }
  return (address) => {
    const isIpv6 = address.includes(':');
    const context = isIpv6
      ? { family: AF_INET6, remote_ip6: words(ipv6Address.encode(address)) }
      : { family: AF_INET, remote_ip4: words(ipv4Address.encode(address))[0] ?? 0 };
    return [
      packet.run({ packet: (isIpv6 ? ipv6 : ipv4)({ destination: address }) }).verdict,
      connection.run({ context }).verdict,
    ];
  };
}

/** A prefix, and an address that is often of it, or differs from it by one bit. */
function prefixed(family: 'ipv4' | 'ipv6'): fc.Arbitrary<{ prefix: string; addresses: string[] }> {
  const layout = family === 'ipv4' ? ipv4Address : ipv6Address;
  const bits = 8 * layout.size;
  const flipped = (bytes: Uint8Array, bit: number): Uint8Array =>
    bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (0x80 >> (bit & 7)) : byte));
  return fc
    .record({
      address: fc.uint8Array({ minLength: layout.size, maxLength: layout.size }),
      hostBits: fc.integer({ min: 0, max: 16 }),
      flips: fc.array(fc.array(fc.integer({ min: 0, max: bits - 1 }), { maxLength: 3 }), {
        minLength: 6,
        maxLength: 6,
      }),
      tails: fc.array(fc.uint8Array({ minLength: 2, maxLength: 2 }), { minLength: 6, maxLength: 6 }),
    })
    .map(({ address, hostBits, flips, tails }) => {
      const first = address.map((byte, at) => byte & (0xff << Math.max(0, hostBits - 8 * (layout.size - 1 - at))));
      const near = flips.map((each) => each.reduce(flipped, address));
      const within = tails.map((tail) => Uint8Array.from([...address.subarray(0, -2), ...tail]));
      return {
        prefix: `${layout.decode(first)}/${bits - hostBits}`,
        addresses: [address, ...near, ...within].map((each) => layout.decode(each)),
      };
    });
}

describe('a pod', () => {
  test.each(['ipv4', 'ipv6'] as const)('is found by its address and no other, wherever that lies: %s', (family) => {
    fc.assert(
      fc.property(prefixed(family), fc.boolean(), ({ prefix, addresses }, inside) => {
        const podCidrs = inside ? { [family]: prefix } : {};
        const [pod = ''] = addresses;
        const ask = asked(podCidrs, pod);
        for (const address of addresses) {
          expect([address, ...ask(address)]).toEqual([address, ...Array(2).fill(address === pod ? FOUND : 0)]);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('of another family is not mistaken for it', () => {
    const podCidrs = { ipv4: '10.244.0.0/16', ipv6: 'fd00::/112' };
    expect(asked(podCidrs, '10.244.0.5')('fd00::5')).toEqual([0, 0]);
    expect(asked(podCidrs, 'fd00::5')('10.244.0.5')).toEqual([0, 0]);
    expect(asked({}, '10.244.0.5')('::ffff:10.244.0.5')).toEqual([FOUND, FOUND]);
  });
});

describe('podPlace', () => {
  const podCidrs = { ipv4: '10.244.16.0/20', ipv6: 'fd00:7::/112' };

  test.each([
    ['10.244.16.0', { array: 0 }],
    ['10.244.31.255', { array: 0xfff }],
    ['10.244.32.0', { hash: '::ffff:10.244.32.0' }],
    ['fd00:7::', { array: POD_ARRAY_SPAN }],
    ['fd00:7::FFFF', { array: POD_ARRAY_SPAN + 0xffff }],
    ['FD00:7::1:0', { hash: 'fd00:7::1:0' }],
  ])('%s: %j', (address, place) => {
    expect(podPlace(podCidrs, address)).toEqual(place);
  });

  test.each([
    ['10.0.0.0/15', '10.0.0.1'],
    ['10.0.0.1/16', '10.0.0.1'],
    ['10.0.0.0/33', '10.0.0.1'],
    ['10.0.0.0', '10.0.0.1'],
    ['10.0.0/16', '10.0.0.1'],
    ['fd00::/112', '10.0.0.1'],
  ])('refuses the IPv4 prefix %s', (prefix, address) => {
    const code = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error;
    expect(() => podPlace({ ipv4: prefix }, address)).toThrow(code);
    expect(() => ofPacket({ ipv4: prefix })).toThrow(code);
  });

  test.each(['', 'pod', '10.0.0.256', 'fd00::g', '10.0.0.1/32'])('refuses %j for an address', (address) => {
    expect(() => podPlace(podCidrs, address)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error,
    );
  });
});
