import { describe, expect, it } from 'vitest';
import { frame, ipv4, ipv6 } from '../../../test/packets.ts';
import { u64 } from '../../layout/index.ts';
import { Vm } from '../../vm/index.ts';
import { firewall, Line, Prefix4, printer, protocolCounter, Rule, Traffic, Vip4, Vip6, vipDrop } from './classics.ts';
import { TunnelKey } from './layouts.ts';

describe('printer', () => {
  const lines = (packet: Uint8Array): unknown[] =>
    new Vm(printer()).run({ packet }).events.map(({ data }) => Line.decode(data));

  it('tells of TCP and UDP, with their ports in host order', () => {
    const common = { source: '10.244.1.5', destination: '10.96.0.1', ttl: 64, length: 40 };
    expect(lines(ipv4())).toEqual([{ ...common, protocol: 6, sourcePort: 40000, destinationPort: 80 }]);
    expect(lines(ipv4({ protocol: 17, options: 8 }))).toEqual([
      { ...common, length: 48, protocol: 17, sourcePort: 40000, destinationPort: 80 },
    ]);
    expect(lines(ipv4({ protocol: 1 }))).toEqual([{ ...common, protocol: 1, sourcePort: 0, destinationPort: 0 }]);
  });

  it('says nothing of the rest', () => {
    expect([lines(ipv6()), lines(ipv4({ fragment: 3 })), lines(ipv4().subarray(0, 36))]).toEqual([[], [], []]);
  });
});

describe('vip_drop', () => {
  it('drops what goes to an address that is shut, in its tunnel only', () => {
    const vm = new Vm(vipDrop());
    const tunnel = { remote: '::', tos: 0, ttl: 0, ext: 0, label: 0, local: '::' };
    vm.map('shut4').set(Vip4.encode({ tunnel: 5, address: '10.96.0.1' }), u64.encode(0n));
    vm.map('shut6').set(Vip6.encode({ tunnel: 6, address: 'fd00:2::1' }), u64.encode(0n));
    const verdict = (packet: Uint8Array, id?: number): number =>
      vm.run({ packet, ...(id === undefined ? {} : { tunnelKey: TunnelKey.encode({ ...tunnel, id }) }) }).verdict;
    expect([verdict(ipv4(), 5), verdict(ipv4(), 6), verdict(ipv4())]).toEqual([2, -1, -1]);
    expect([verdict(ipv6(), 6), verdict(ipv6(), 5), verdict(frame(0x806, new Uint8Array(28)), 5)]).toEqual([2, -1, -1]);
    expect(vm.map('shut4').get(Vip4.encode({ tunnel: 5, address: '10.96.0.1' }))).toEqual(u64.encode(1n));
  });
});

describe('proto_count', () => {
  it('counts by protocol', () => {
    const vm = new Vm(protocolCounter());
    for (const packet of [
      ipv4(),
      ipv4({ vlan: 9 }),
      ipv6(),
      ipv6({ protocol: 17 }),
      frame(0x806, new Uint8Array(28)),
    ]) {
      expect(vm.run({ packet }).verdict).toBe(2);
    }
    const packets = (protocol: number): bigint =>
      Traffic.decode(vm.map('traffic').get(Uint8Array.of(protocol, 0, 0, 0)) as Uint8Array).packets;
    expect([packets(6), packets(17), packets(255), packets(1)]).toEqual([3n, 1n, 1n, 0n]);
  });
});

describe('firewall', () => {
  it('lets in what the rule of the longest prefix allows', () => {
    const vm = new Vm(firewall());
    const allow = (address: string, length: number, lowPort: number, highPort: number, protocol: number): void =>
      vm.map('rules').set(Prefix4.encode({ length, address }), Rule.encode({ lowPort, highPort, protocol }));
    allow('10.0.0.0', 8, 80, 90, 6);
    allow('10.244.0.0', 16, 443, 443, 6);
    const verdict = (facts: Parameters<typeof ipv4>[0]): number => vm.run({ packet: ipv4(facts) }).verdict;
    const PASS = 2;
    const DROP = 1;
    expect(verdict({ source: '10.1.1.1', destinationPort: 85 })).toBe(PASS);
    expect(verdict({ source: '10.1.1.1', destinationPort: 91 })).toBe(DROP);
    expect(verdict({ source: '10.1.1.1', destinationPort: 79 })).toBe(DROP);
    expect(verdict({ source: '10.1.1.1', destinationPort: 85, protocol: 17 })).toBe(DROP);
    expect(verdict({ source: '10.244.1.1', destinationPort: 85 })).toBe(DROP);
    expect(verdict({ source: '10.244.1.1', destinationPort: 443, options: 20 })).toBe(PASS);
    expect(verdict({ source: '11.0.0.1' })).toBe(DROP);
    expect(verdict({ source: '11.0.0.1', protocol: 1 })).toBe(PASS);
    expect(verdict({ source: '10.1.1.1', fragment: 8 })).toBe(DROP);
    expect(vm.run({ packet: ipv6() }).verdict).toBe(PASS);
  });
});
