import { expect, test } from 'vitest';
import { encode } from '../isa/index.ts';
import { struct, u8 } from '../layout/index.ts';
import { runProgram } from '../vm/index.ts';
import { cgroupSkb, cgroupSockAddr, IPv4, schedCls, skMsg, sockOps, when, xdp } from './index.ts';

const options = { licence: 'Apache-2.0' } as const;

test('the same description gives the same bytes, with positions or without', () => {
  const make = (positions: boolean): Uint8Array =>
    encode(
      schedCls('same', { ...options, positions }, ({ skb, next, drop }) => when(skb.mark.eq(1), drop, next))
        .instructions,
    );
  expect(make(true)).toEqual(make(true));
  expect(make(true)).toEqual(make(false));
});

test('optimising does not make it longer', () => {
  const make = (optimise: boolean): number =>
    schedCls('same', { ...options, optimise }, ({ skb, next, drop }) =>
      when(skb.mark.add(0).and(0xff).eq(1), drop, next),
    ).instructions.length;
  expect(make(true)).toBeLessThanOrEqual(make(false));
});

test('a name that the kernel would cut is refused', () => {
  for (const name of ['', 'sixteen_letters_', 'with-dash', '1st']) {
    expect(() => schedCls(name, options, ({ next }) => next())).toThrow(/is no name for a program/);
  }
});

test('programs in cgroups allow or deny, and may change addresses', () => {
  const filter = cgroupSkb('filter', { ...options, attach: 'cgroup_inet_egress' }, ({ skb, allow, deny }) => {
    const ip = skb.parse(IPv4, allow);
    expect(() => ip.set({ ttl: 1 })).toThrow(/cannot write the packet/);
    return when(ip.destination.within('10.0.0.0/8'), allow, deny);
  });
  expect([filter.type, filter.expectedAttachType]).toEqual(['cgroup_skb', 'cgroup_inet_egress']);
  const connect = cgroupSockAddr('connect', { ...options, attach: 'cgroup_inet4_connect' }, ({ call, allow }) => {
    when(call.userIp4.eq('10.96.0.1'), () => call.set({ userIp4: '127.0.0.1', userPort: 15001 }));
    return allow();
  });
  const run = (address: number): unknown => {
    const { verdict, context } = runProgram(connect, { context: { user_ip4: address, user_port: 0x5000 } });
    return [verdict, context?.['user_ip4'], context?.['user_port']];
  };
  expect(run(0x0100600a)).toEqual([1, 0x0100007f, 0x993a]);
  expect(run(0x0200600a)).toEqual([1, 0x0200600a, 0x5000]);
});

test('programs about sockets see their events and messages', () => {
  const events = sockOps('events', options, ({ event, done }) => {
    when(event.op.eq(4), () => event.set({ reply: 1 }));
    return done();
  });
  expect(runProgram(events, { context: { op: 4 } }).context?.['reply']).toBe(1);
  const First = struct('first', { byte: u8 }, { packed: true });
  const messages = skMsg('messages', options, ({ message, pass, drop }) =>
    when(message.parse(First, drop).byte.eq(0x16), pass, drop),
  );
  expect(runProgram(messages, { packet: Uint8Array.of(0x16) }).verdict).toBe(1);
  expect(runProgram(messages, { packet: Uint8Array.of(0x17) }).verdict).toBe(0);
  expect(runProgram(messages, { packet: new Uint8Array(0) }).verdict).toBe(0);
});

test('XDP programs redirect', () => {
  const program = xdp('redirects', options, ({ packet, redirect, tx }) =>
    when(packet.ingressIfindex.eq(1), tx, () => redirect(5)),
  );
  expect(runProgram(program, { packet: new Uint8Array(14), context: { ingress_ifindex: 1 } }).verdict).toBe(3);
  expect(runProgram(program, { packet: new Uint8Array(14), context: { ingress_ifindex: 2 } }).redirect?.ifindex).toBe(
    5,
  );
});
