import fc from 'fast-check';
import type { Family, InetSocket } from 'netlink-tc';
import { describe, expect, test } from 'vitest';
import { LISTENER } from '../maps.ts';
import { DEFAULT_PORTS } from '../ports.ts';
import { chooseListeners, notListening, type ChoiceOptions, type ListenerPurpose } from './listeners.ts';

let cookie = 0n;

/** A listener as the kernel tells of it. */
function listener(fields: Partial<InetSocket> & { readonly address?: string; readonly port: number }): InetSocket {
  const { address = '0.0.0.0', port, ...rest } = fields;
  cookie += 1n;
  return {
    protocol: 'tcp',
    family: address.includes(':') ? 'ipv6' : 'ipv4',
    state: 'listen',
    local: { address, port },
    remote: { address: '0.0.0.0', port: 0 },
    device: 0,
    inode: Number(cookie),
    uid: 0,
    cookie,
    receiveQueue: 0,
    sendQueue: 128,
    timer: undefined,
    mark: undefined,
    v6only: address.includes(':') ? true : undefined,
    transparent: true,
    ...rest,
  };
}

const BOTH: ChoiceOptions = { ports: DEFAULT_PORTS, families: ['ipv4', 'ipv6'] };
const chosen = (sockets: readonly InetSocket[], options: ChoiceOptions = BOTH): Record<string, bigint> =>
  Object.fromEntries(
    chooseListeners(sockets, options).chosen.map((each) => [
      `${each.listener.purpose} ${each.listener.family}`,
      each.socket.cookie,
    ]),
  );

describe('what gets which connections', () => {
  test('a dual-stack socket serves both families, a socket of the family itself comes first', () => {
    const both = listener({ address: '::', port: 15001, v6only: false });
    expect(chosen([both])).toEqual({
      'outbound ipv4': both.cookie,
      'outbound ipv6': both.cookie,
      'dnsTcp ipv4': both.cookie,
      'dnsTcp ipv6': both.cookie,
    });
    const ipv4 = listener({ port: 15001 });
    expect(chosen([both, ipv4])).toMatchObject({ 'outbound ipv4': ipv4.cookie, 'outbound ipv6': both.cookie });
  });

  test('one of IPv6 only gets no IPv4, nor one of IPv4 IPv6', () => {
    const ipv6 = listener({ address: '::', port: 15001 });
    expect(Object.keys(chosen([ipv6]))).toEqual(['outbound ipv6', 'dnsTcp ipv6']);
    expect(Object.keys(chosen([listener({ port: 15001 })]))).toEqual(['outbound ipv4', 'dnsTcp ipv4']);
  });

  test('DNS has its own sockets of both protocols; without one for TCP the outbound listener gets it', () => {
    const [outbound, tcp] = [listener({ port: 15001 }), listener({ port: 15053 })];
    const udp = listener({ port: 15053, protocol: 'udp', state: 'close', transparent: false });
    expect(chosen([outbound, tcp, udp])).toEqual({
      'outbound ipv4': outbound.cookie,
      'dnsTcp ipv4': tcp.cookie,
      'dnsUdp ipv4': udp.cookie,
    });
    expect(chosen([outbound, udp])).toMatchObject({ 'dnsTcp ipv4': outbound.cookie });
  });

  test('a socket that is bound to no address comes first; only such ones are found by port alone', () => {
    const local = listener({ address: '127.0.0.1', port: 15053, protocol: 'udp', state: 'close' });
    expect(chosen([local])).toEqual({ 'dnsUdp ipv4': local.cookie });
    const any = listener({ port: 15053, protocol: 'udp', state: 'close' });
    expect(chosen([local, any])).toEqual({ 'dnsUdp ipv4': any.cookie });
    const { chosen: found, missing } = chooseListeners([local], { ...BOTH, anyAddress: true });
    expect(found).toEqual([]);
    expect(missing.map(({ why }) => why)).toContain('dnsUdp ipv4: 127.0.0.1 is its only address');
  });

  test('of several the one that has the slot keeps it', () => {
    const group = [listener({ port: 15006 }), listener({ port: 15006 }), listener({ port: 15006 })];
    const current: (bigint | undefined)[] = [];
    current[LISTENER.plaintext] = group[1]?.cookie;
    expect(chosen(group)['plaintext ipv4']).toBe(group[0]?.cookie);
    expect(chosen(group, { ...BOTH, current })['plaintext ipv4']).toBe(group[1]?.cookie);
  });
});

describe('what is missing', () => {
  const whole = (['ipv4', 'ipv6'] as const).flatMap((family) =>
    [15001, 15006, 15008, 15053].map((port) => listener({ address: family === 'ipv4' ? '0.0.0.0' : '::', port })),
  );

  test('only of families that the proxy has', () => {
    const ipv4 = whole.filter(({ family }) => family === 'ipv4');
    const why = (families: readonly Family[]): string[] =>
      chooseListeners(ipv4, { ...BOTH, families }).missing.map((each) => each.why);
    expect(why(['ipv4'])).toEqual(['dnsUdp ipv4: nothing listens on udp port 15053']);
    expect(why(['ipv4', 'ipv6'])).toEqual([
      'outbound ipv6: nothing listens on tcp port 15001',
      'hbone ipv6: nothing listens on tcp port 15008',
      'plaintext ipv6: nothing listens on tcp port 15006',
      'dnsUdp ipv4: nothing listens on udp port 15053',
      'dnsUdp ipv6: nothing listens on udp port 15053',
    ]);
  });

  test('outbound and plaintext must be there, in one family at least', () => {
    const without = (port: number): boolean =>
      chooseListeners(
        whole.filter(({ local }) => local.port !== port),
        BOTH,
      ).complete;
    expect([15001, 15006, 15008, 15053].map(without)).toEqual([false, false, true, true]);
    expect(
      chooseListeners(
        whole.filter(({ family }) => family === 'ipv6'),
        BOTH,
      ).complete,
    ).toBe(true);
  });

  test('a listener for IPv4 must be transparent; the error says so, and what was found', () => {
    const opaque = [15001, 15006].map((port) => listener({ port, transparent: false }));
    const choices = chooseListeners(opaque, { ...BOTH, families: ['ipv4'] });
    expect(choices).toMatchObject({ chosen: [], complete: false });
    expect(notListening(choices, opaque, 'process 7')).toMatchObject({
      code: 'ERR_PROXY_NOT_LISTENING',
      candidates: ['tcp 0.0.0.0 port 15001', 'tcp 0.0.0.0 port 15006'],
      message:
        'process 7 does not listen as a proxy must: outbound ipv4: 0.0.0.0 is not transparent; plaintext ipv4: 0.0.0.0 is not transparent; ' +
        'set IP_TRANSPARENT on the listener, or no IPv4 client gets an answer; ' +
        'what listens there: tcp 0.0.0.0 port 15001, tcp 0.0.0.0 port 15006',
    });
    // A dual-stack one is one for IPv4 as well; of IPv6 alone nothing is asked.
    const both = listener({ address: '::', port: 15001, v6only: false, transparent: false });
    expect(Object.keys(chosen([both]))).toEqual(['outbound ipv6', 'dnsTcp ipv6']);
    expect(notListening(chooseListeners([], BOTH), [], 'process 7').message).toContain('what listens there: nothing');
  });
});

test('whatever listens: each slot gets a socket of its own protocol, port and family that can answer, if there is one', () => {
  const any = fc.record({
    address: fc.constantFrom('0.0.0.0', '::', '127.0.0.1', '::1'),
    port: fc.constantFrom(15001, 15006, 15008, 15053, 80),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    v6only: fc.boolean(),
    transparent: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 12 }), fc.boolean(), (fields, anyAddress) => {
      const sockets = fields.map(({ v6only, ...rest }) =>
        listener({ ...rest, v6only: rest.address.includes(':') ? v6only : undefined }),
      );
      const { chosen: choices, missing } = chooseListeners(sockets, { ...BOTH, anyAddress });
      const fits = (socket: InetSocket, purpose: ListenerPurpose, family: Family): boolean =>
        socket.protocol === (purpose === 'dnsUdp' ? 'udp' : 'tcp') &&
        socket.local.port === (purpose === 'dnsUdp' ? 15053 : DEFAULT_PORTS[purpose as 'outbound']) &&
        (socket.family === family || (family === 'ipv4' && socket.v6only === false)) &&
        (purpose === 'dnsUdp' || family === 'ipv6' || socket.transparent === true) &&
        (!anyAddress || ['0.0.0.0', '::'].includes(socket.local.address));
      for (const { slot, listener: told, socket } of choices) {
        const { purpose, family } = told;
        expect(slot).toBe(LISTENER[purpose] + Number(family === 'ipv6'));
        expect(told).toMatchObject(socket.local);
        const isDns = purpose === 'dnsTcp' && socket.local.port === 15053;
        const plain = purpose === 'dnsTcp' ? 'outbound' : purpose;
        expect(fits(isDns ? { ...socket, local: { ...socket.local, port: 15001 } } : socket, plain, family)).toBe(true);
      }
      for (const { purpose, family } of missing)
        expect(sockets.filter((socket) => fits(socket, purpose, family))).toEqual([]);
      expect(choices.length + missing.length).toBeLessThanOrEqual(10);
    }),
  );
});
