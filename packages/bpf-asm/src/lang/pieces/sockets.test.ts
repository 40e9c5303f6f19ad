import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '../../../test/packets.ts';
import { type ObjectMap, Vm, VmSocket, type SocketQuery } from '../../vm/index.ts';
import { AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP } from '../index.ts';
import { Address4Key, AddressKey, Pod } from './layouts.ts';
import { LISTENER, steer, type SteerFacts } from './steer.ts';
import { tproxy } from './tproxy.ts';

const PASS = 1;
const REFUSE = 0;
const index = (slot: number): Uint8Array => Uint8Array.of(slot, 0, 0, 0);
/** `::ffff:10.244.1.5` and the like, as the words of the context hold it. */
const word = (...bytes: readonly number[]): number => new DataView(Uint8Array.from(bytes).buffer).getUint32(0, true);

function prepared(
  facts: Omit<SteerFacts, 'ifindex'>,
  protocol = IPPROTO_TCP,
): { vm: Vm; sockets: readonly VmSocket[] } {
  const vm = new Vm(steer({ ifindex: 2, ...facts }));
  const sockets = Object.keys(LISTENER).map((name) => new VmSocket(name, { family: AF_INET6, protocol }));
  const map = vm.map('listeners') as ObjectMap<VmSocket>;
  sockets.forEach((socket, slot) => map.setObject(index(slot), socket));
  return { vm, sockets };
}

describe('ztunnel_steer', () => {
  const from = { ingress_ifindex: 2, family: AF_INET, protocol: IPPROTO_TCP };

  it('finds the listener by who calls and the port', () => {
    const { vm } = prepared({ families: 'ipv4' });
    const pod = Pod.encode({ ifindex: 3, deliver: 1, classify: 1 });
    vm.map('pods4').set(Address4Key.encode({ address: '10.244.1.5' }), pod);
    vm.map('pods4').set(
      Address4Key.encode({ address: '10.244.1.6' }),
      Pod.encode({ ifindex: 4, deliver: 1, classify: 0 }),
    );
    const chosen = (address: number, port: number): string | undefined =>
      vm.run({ context: { ...from, remote_ip4: address, local_port: port } }).assignedSocket?.name;
    expect(chosen(word(10, 244, 1, 5), 80)).toBe('outbound');
    expect(chosen(word(10, 244, 1, 5), 15008)).toBe('outbound');
    expect(chosen(word(10, 244, 1, 6), 80)).toBe('inbound');
    expect(chosen(word(10, 0, 0, 9), 15008)).toBe('hbone');
    expect(chosen(word(10, 0, 0, 9), 8080)).toBe('inbound');
  });

  it('has one look-up for both families', () => {
    const { vm } = prepared({ families: 'both' });
    const pod = Pod.encode({ ifindex: 3, deliver: 1, classify: 1 });
    vm.map('pods').set(AddressKey.encode({ address: '::ffff:10.244.1.5' }), pod);
    vm.map('pods').set(AddressKey.encode({ address: 'fd00::5' }), pod);
    const chosen = (context: object): string | undefined =>
      vm.run({ context: { ...from, ...context } }).assignedSocket?.name;
    expect(chosen({ remote_ip4: word(10, 244, 1, 5) })).toBe('outbound');
    const remote = [word(0xfd, 0, 0, 0), 0, 0, word(0, 0, 0, 5)];
    expect(chosen({ family: AF_INET6, remote_ip6: remote })).toBe('outbound');
    expect(chosen({ family: AF_INET6, remote_ip6: [0, 0, 0, 1] })).toBe('inbound');
  });

  it('gives DNS to its listener only where that is on', () => {
    const context = { ...from, protocol: IPPROTO_UDP, local_port: 53 };
    const on = prepared({ families: 'both', dns: true }, IPPROTO_UDP).vm;
    expect(on.run({ context }).assignedSocket?.name).toBe('dns');
    expect(on.run({ context: { ...context, local_port: 54 } }).assignedSocket).toBeUndefined();
    const off = prepared({ families: 'both' }, IPPROTO_UDP).vm;
    expect(off.run({ context }).assignedSocket).toBeUndefined();
    expect(off.run({ context }).verdict).toBe(PASS);
  });

  it('refuses and counts when the slot is empty, or the listener cannot have it', () => {
    const { vm } = prepared({ families: 'ipv4' });
    const listeners = vm.map('listeners') as ObjectMap<VmSocket>;
    listeners.delete(index(LISTENER.inbound));
    expect(vm.run({ context: { ...from, local_port: 80 } }).verdict).toBe(REFUSE);
    listeners.setObject(index(LISTENER.inbound), new VmSocket('udp', { family: AF_INET, protocol: IPPROTO_UDP }));
    expect(vm.run({ context: { ...from, local_port: 80 } }).verdict).toBe(REFUSE);
    expect(vm.map('verdicts').get(index(4))?.[0]).toBe(2);
  });

  it('keeps out of what does not come in by its own device', () => {
    const { vm } = prepared({ families: 'ipv4' });
    expect(vm.run({ context: { ...from, ingress_ifindex: 1 } })).toMatchObject({
      verdict: PASS,
      assignedSocket: undefined,
    });
  });
});

describe('ztunnel_tproxy', () => {
  const connected = new VmSocket('connected');
  const listener = new VmSocket('listener');
  const text = (bytes: Uint8Array): string => [...bytes].join('.');

  it.each([
    ['IPv4', ipv4({ sourcePort: 5000 }), ipv4({ sourcePort: 5001 }), '10.244.1.5'],
    [
      'IPv4 with options',
      ipv4({ sourcePort: 5000, options: 12 }),
      ipv4({ sourcePort: 5001, options: 12 }),
      '10.244.1.5',
    ],
    ['IPv6', ipv6({ sourcePort: 5000 }), ipv6({ sourcePort: 5001 }), '253.0.0.1.0.0.0.0.0.0.0.0.0.0.0.5'],
  ])('gives a packet over %s to its connection, else to the listener', (_what, known, unknown, source) => {
    const asked: SocketQuery[] = [];
    const vm = new Vm(tproxy({ families: 'both', port: 15001, mark: 0x400 }), {
      findSocket: (query) => {
        asked.push(query);
        if (query.sourcePort === 5000) return connected;
        return query.destinationPort === 15001 && query.sourcePort === 0 ? listener : undefined;
      },
    });
    const first = vm.run({ packet: known });
    expect(first.assignedSocket).toBe(connected);
    expect(first.context?.['mark']).toBe(0x400);
    expect([text((asked[0] as SocketQuery).source), asked[0]?.destinationPort]).toEqual([source, 80]);
    expect(vm.run({ packet: unknown }).assignedSocket).toBe(listener);
    expect(asked.at(-1)?.source.every((byte) => byte === 0)).toBe(true);
  });

  it('drops what finds no socket, and leaves what is not TCP alone', () => {
    const vm = new Vm(tproxy({ families: 'both', port: 15001, mark: 0x400 }));
    expect(vm.run({ packet: ipv4() }).verdict).toBe(2);
    expect(vm.run({ packet: ipv6({ protocol: 17 }) }).verdict).toBe(-1);
  });
});
