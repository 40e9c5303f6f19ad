import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeWith, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { ipv4, ipv6 } from '../../../bpf-asm/test/packets.ts';
import { PcapngWriter } from './pcapng.ts';
import type { TrafficEvent } from './traffic-event.ts';

const BASE: TrafficEvent = {
  time: 5n, pod: 'shop/cart', direction: 'outbound', family: 'ipv4', verdict: 'captured', program: 'app_outbound', protocol: 6,
  source: '10.244.1.5', destination: '10.96.0.1', sourcePort: 40000, destinationPort: 80, length: 54, ifindex: 11,
}; // prettier-ignore

/** 1.5 seconds after the first second of 2026, and a nanosecond. */
const TIME = 1_767_225_601_500_000_001n;

function capture(events: readonly Partial<TrafficEvent>[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new PcapngWriter((bytes) => parts.push(bytes.slice()), {
    interfaceName: (index) => (index === 11 ? 'v-cart' : undefined),
    wallTime: (time) => time + TIME - 5n,
  });
  for (const event of events) writer.write({ ...BASE, ...event });
  return Buffer.concat(parts);
}

describe('a capture file', () => {
  test('is of whole blocks, each with its length at both ends', () => {
    const bytes = capture([{ packet: new Uint8Array(5) }, { ifindex: 12 }, {}]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const types: number[] = [];
    let at = 0;
    while (at < bytes.length) {
      const length = view.getUint32(at + 4, true);
      expect([length % 4, view.getUint32(at + length - 4, true)]).toEqual([0, length]);
      types.push(view.getUint32(at, true));
      at += length;
    }
    expect(at).toBe(bytes.length);
    // An interface is described once, before its first packet.
    expect(types).toEqual([0x0a0d0d0a, 1, 6, 1, 6, 6]);
  });
});

describeWith([tool('tshark')], 'tshark', () => {
  const long = Uint8Array.of(...ipv4({ source: '10.244.1.5', destination: '10.96.0.1' }), ...new Uint8Array(500));
  const events: readonly Partial<TrafficEvent>[] = [
    { packet: ipv4({ source: '10.244.1.5', destination: '10.96.0.1' }) },
    {
      packet: ipv6({ source: 'fd00::5', destination: 'fd00::6' }), length: 74, family: 'ipv6', ifindex: 12, pod: undefined,
      verdict: 'spoofed', program: 'app_inbound', time: 6n,
    },
    { packet: long.subarray(0, 128), length: long.length, verdict: 'delivered', program: 'ztunnel_host_in' },
    {},
  ]; // prettier-ignore
  const FIELDS = [
    'frame.interface_name', 'frame.time_epoch', 'frame.cap_len', 'frame.len', 'ip.src', 'ipv6.dst', 'tcp.dstport', 'frame.packet_flags_direction', 'frame.comment',
  ] as const; // prettier-ignore

  test('reads frames, addresses, times, interfaces and comments, and has nothing to complain of', () => {
    const path = `${tempDir()}/trace.pcapng`;
    writeFileSync(path, capture(events));
    const args = ['-r', path, '-T', 'fields', '-E', 'separator=|', ...FIELDS.flatMap((name) => ['-e', name])];
    const stdout = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    expect(stdout.trimEnd().split('\n')).toEqual([
      'v-cart|1767225601.500000001|54|54|10.244.1.5||80|0x00000001|captured, app_outbound of shop/cart: redirected; to the proxy: of a TCP connection of the pod',
      'if12|1767225601.500000002|74|74||fd00::6|80|0x00000002|spoofed, app_inbound of no pod: dropped; it says that it is from an address that its sender does not have',
      `v-cart|1767225601.500000001|128|${long.length}|10.244.1.5||80|0x00000001|delivered, ztunnel_host_in of shop/cart: redirected; straight into the pod: the proxy sent it`,
      'v-cart|1767225601.500000001|0|54||||0x00000001|captured, app_outbound of shop/cart: redirected; to the proxy: of a TCP connection of the pod',
    ]);
  });
});
