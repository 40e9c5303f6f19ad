import { describe, expect, it } from 'vitest';
import { frame, ipv4, ipv6 } from '../../../test/packets.ts';
import { lint, type Program } from '../../asm/index.ts';
import { Ethernet } from '../index.ts';
import { Vm, type VmResult } from '../../vm/index.ts';
import { PIECES } from './all.ts';
import { appInbound } from './app-inbound.ts';
import { appOutbound } from './app-outbound.ts';
import { hostIn } from './host-in.ts';
import { Address4Key, AddressKey, Pod } from './layouts.ts';

const run = (program: Program, packet: Uint8Array, context = {}): VmResult => new Vm(program).run({ packet, context });
/** Destination options of 8 bytes. */
const OPTIONS = [60, [0, 0, 0, 0, 0, 0, 0, 0]] as const;
const NEXT = -1;
const DROP = 2;

describe('every piece', () => {
  it.each(Object.keys(PIECES))('%s is structurally sound, the same each time, and knows its lines', (name) => {
    const make = PIECES[name] as () => Program;
    const program = make();
    expect(lint(program.instructions)).toEqual([]);
    expect(make()).toEqual(program);
    const files = new Set(program.instructions.map(({ source }) => source?.file.replace(/.*\//, '')));
    expect([...files].every((file) => file !== undefined && /^(app|host|steer|tproxy|classics)/.test(file))).toBe(true);
  });
});

describe('app_outbound', () => {
  const facts = { proxy: 7, addresses4: ['10.244.1.5', '10.244.1.6'], addresses6: ['fd00:1::5'] };
  const program = appOutbound({ ...facts, bypass4: '169.254.0.0/16', bypass6: 'fd00:9::/33', dns: true, count: true });
  const captured = { kind: 'redirect_peer', ifindex: 7, flags: 0 };

  it.each([
    ['TCP over IPv4', ipv4()],
    ['TCP from its other address', ipv4({ source: '10.244.1.6' })],
    ['TCP with options', ipv4({ options: 40 })],
    ['the first fragment of TCP', ipv4({ fragment: 0x2000 })],
    ['a later fragment of TCP', ipv4({ fragment: 100 })],
    ['DNS', ipv4({ protocol: 17, destinationPort: 53 })],
    ['DNS behind options', ipv4({ protocol: 17, destinationPort: 53, options: 8 })],
    ['TCP over IPv6', ipv6()],
    [
      'TCP behind extension headers',
      ipv6({
        extensions: [
          [0, Array.from({ length: 16 }, (_, i) => (i === 1 ? 1 : 0))],
          [60, new Array(8).fill(0)],
        ],
      }),
    ],
    [
      'DNS over IPv6 behind an authentication header',
      ipv6({ protocol: 17, destinationPort: 53, extensions: [[51, [0, 4, ...new Array(22).fill(0)]]] }),
    ],
    [
      'DNS in a whole packet that has a fragment header',
      ipv6({ protocol: 17, destinationPort: 53, extensions: [[44, new Array(8).fill(0)]] }),
    ],
    ['TCP behind 6 extension headers', ipv6({ extensions: Array.from({ length: 6 }, () => OPTIONS) })],
  ])('captures %s', (_what, packet) => {
    expect(run(program, packet).redirect).toEqual(captured);
  });

  it.each([
    ['ARP', frame(0x0806, new Uint8Array(28))],
    ['a frame with a VLAN tag', ipv4({ vlan: 5 })],
    ['UDP that is not DNS', ipv4({ protocol: 17, destinationPort: 123 })],
    ['a later fragment of UDP', ipv4({ protocol: 17, destinationPort: 53, fragment: 100 })],
    ['ICMP', ipv4({ protocol: 1 })],
    ['a bypassed destination', ipv4({ destination: '169.254.169.254' })],
    ['a bypassed destination of IPv6', ipv6({ destination: 'fd00:9::1' })],
    [
      'a later fragment of UDP over IPv6',
      ipv6({ protocol: 17, destinationPort: 53, extensions: [[44, [0, 0, 1, 0, 0, 0, 0, 0]]] }),
    ],
    ['7 extension headers', ipv6({ extensions: Array.from({ length: 7 }, () => OPTIONS) })],
    ['an extension header that is cut off', ipv6({ extensions: [[60, new Array(8).fill(0)]] }).subarray(0, 58)],
    ['half an Ethernet header', new Uint8Array(10)],
    ['half an IPv4 header', ipv4().subarray(0, 30)],
    ['half an IPv6 header', ipv6().subarray(0, 50)],
    ['UDP without its ports', ipv4({ protocol: 17 }).subarray(0, 35)],
  ])('leaves %s to others', (_what, packet) => {
    expect(run(program, packet).verdict).toBe(NEXT);
  });

  it('drops what is forged', () => {
    expect(run(program, ipv4({ source: '10.244.1.7' })).verdict).toBe(DROP);
    expect(run(program, ipv6({ source: 'fd00:1::6' })).verdict).toBe(DROP);
  });

  it('counts verdicts', () => {
    const vm = new Vm(program);
    for (const packet of [ipv4(), ipv4(), ipv4({ source: '1.2.3.4' }), ipv4({ destination: '169.254.0.1' })])
      vm.run({ packet });
    const count = (index: number): unknown => vm.map('verdicts').get(Uint8Array.of(index, 0, 0, 0))?.[0];
    expect([count(0), count(1), count(2)]).toEqual([2, 1, 1]);
  });

  it('leaves no instruction of what is off', () => {
    const bare = appOutbound({ proxy: 7, addresses4: ['10.244.1.5'] });
    expect(bare.maps).toEqual([]);
    expect(bare.instructions.length).toBeLessThan(30);
    expect(run(bare, ipv6()).verdict).toBe(NEXT);
  });
});

describe('app_inbound', () => {
  const program = appInbound({
    proxy: { ifindex: 7, mac: '02:00:00:00:00:07' },
    host4: ['10.0.0.1', '10.0.0.2'],
    host6: ['fd00::1'],
  });

  it('sends TCP to the proxy, with its address', () => {
    for (const packet of [ipv4({ source: '10.0.0.1' }), ipv6({ source: 'fd00::1' })]) {
      const result = run(program, packet, { ingress_ifindex: 3 });
      expect(result.redirect).toEqual({ kind: 'redirect', ifindex: 7, flags: 0 });
      expect(Ethernet.decode((result.packet as Uint8Array).slice(0, 14)).destination).toBe('02:00:00:00:00:07');
    }
  });

  it.each([
    ['what the proxy sent', ipv4(), 7],
    ['a probe', ipv4({ source: '10.0.0.1' }), 0],
    ['a probe from the other address', ipv4({ source: '10.0.0.2' }), 0],
    ['a probe over IPv6', ipv6({ source: 'fd00::1' }), 0],
    ['UDP', ipv4({ protocol: 17 }), 3],
  ])('lets %s through', (_what, packet, from) => {
    const result = run(program, packet, { ingress_ifindex: from });
    expect(result.verdict).toBe(NEXT);
    expect(result.packet).toEqual(packet);
  });
});

describe('host_in', () => {
  it('delivers to the pods it knows, of either family', () => {
    const vm = new Vm(hostIn('both'));
    vm.map('pods').set(
      AddressKey.encode({ address: '::ffff:10.244.1.9' }),
      Pod.encode({ ifindex: 12, deliver: 1, classify: 1 }),
    );
    vm.map('pods').set(
      AddressKey.encode({ address: 'fd00:1::9' }),
      Pod.encode({ ifindex: 13, deliver: 1, classify: 1 }),
    );
    vm.map('pods').set(
      AddressKey.encode({ address: 'fd00:1::a' }),
      Pod.encode({ ifindex: 14, deliver: 0, classify: 1 }),
    );
    const to = (packet: Uint8Array): unknown => vm.run({ packet }).redirect?.ifindex;
    expect(to(ipv4({ destination: '10.244.1.9' }))).toBe(12);
    expect(to(ipv6({ destination: 'fd00:1::9' }))).toBe(13);
    expect(to(ipv6({ destination: 'fd00:1::a' }))).toBeUndefined();
    expect(to(ipv6({ destination: 'fd00:1::b' }))).toBeUndefined();
  });

  it('has a key of 4 bytes for IPv4 alone', () => {
    const vm = new Vm(hostIn('ipv4'));
    vm.map('pods4').set(
      Address4Key.encode({ address: '10.244.1.9' }),
      Pod.encode({ ifindex: 12, deliver: 1, classify: 1 }),
    );
    expect(vm.run({ packet: ipv4({ destination: '10.244.1.9' }) }).redirect?.ifindex).toBe(12);
    expect(vm.run({ packet: ipv4({ destination: '10.244.1.8' }) }).verdict).toBe(NEXT);
  });
});
