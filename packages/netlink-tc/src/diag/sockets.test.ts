import fc from 'fast-check';
import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { mutated } from '../../test/arbitrary.ts';
import { refusal } from '../netlink/ack.ts';
import { isNetlinkTcError } from '../error.ts';
import { LITTLE_ENDIAN } from '../netlink/host.ts';
import { NetlinkSocket } from '../netlink/index.ts';
import { listLinks } from '../rtnl/index.ts';
import { createFakeSys } from '../sys/index.ts';
import { SocketReader } from './answer.ts';
import { NETLINK_SOCK_DIAG } from './format.ts';
import { normaliseMapped, type InetSocket } from './socket.ts';
import { destroySocket, listSockets } from './sockets.ts';
import { TCP_CONNECTED, TCP_STATES, type TcpState } from './state.ts';

const { EOPNOTSUPP, EPERM } = constants.errno;
const TIMERS = ['retransmit', 'keepalive', 'time_wait', 'probe'] as const;

const u32 = fc.nat(0xffff_ffff);
const endpoint = (address: fc.Arbitrary<string>): fc.Arbitrary<InetSocket['local']> =>
  fc.record({ address, port: fc.nat(0xffff) });
const mappedIp = fc.ipV4().map((text) => `::ffff:${text}`);
const sockets: fc.Arbitrary<InetSocket> = fc.constantFrom('ipv4' as const, 'ipv6' as const).chain((family) => {
  const address = family === 'ipv4' ? fc.ipV4() : fc.oneof(fc.ipV6(), mappedIp).map((text) => canonical(text));
  return fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    family: fc.constant(family),
    state: fc.constantFrom(...TCP_STATES),
    local: endpoint(address),
    remote: endpoint(address),
    device: u32,
    inode: u32,
    uid: u32,
    cookie: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    receiveQueue: u32,
    sendQueue: u32,
    timer: fc.option(fc.record({ kind: fc.constantFrom(...TIMERS), expiresMs: u32, retransmits: fc.nat(255) }), {
      nil: undefined,
    }),
    mark: fc.option(u32, { nil: undefined }),
    v6only: fc.option(fc.boolean(), { nil: undefined }),
    transparent: fc.option(fc.boolean(), { nil: undefined }),
  });
});

function canonical(text: string): string {
  return ipv6Address.read(ipv6Address.encode(text), 0);
}

function attribute(type: number, ...data: number[]): number[] {
  const bytes = new Uint8Array((4 + data.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + data.length, LITTLE_ENDIAN);
  view.setUint16(2, type, LITTLE_ENDIAN);
  bytes.set(data, 4);
  return [...bytes];
}

/** What the kernel would send of a socket, with attributes between that nobody looks at. */
function payloadOf(socket: InetSocket): Uint8Array {
  const bytes = new Uint8Array(72);
  const view = new DataView(bytes.buffer);
  const { local, remote, timer, mark, v6only, transparent } = socket;
  const address = socket.family === 'ipv4' ? ipv4Address : ipv6Address;
  bytes[0] = socket.family === 'ipv4' ? 2 : 10;
  bytes[1] = TCP_STATES.indexOf(socket.state as TcpState) + 1;
  bytes[2] = timer === undefined ? 0 : TIMERS.indexOf(timer.kind as 'probe') + 1;
  bytes[3] = timer?.retransmits ?? 0;
  view.setUint16(4, local.port);
  view.setUint16(6, remote.port);
  address.encode(local.address, bytes, 8);
  address.encode(remote.address, bytes, 24);
  const words = [
    socket.device,
    Number(socket.cookie & 0xffff_ffffn),
    Number(socket.cookie >> 32n),
    timer?.expiresMs ?? 0,
    socket.receiveQueue,
    socket.sendQueue,
    socket.uid,
    socket.inode,
  ];
  for (const [index, word] of words.entries()) view.setUint32(40 + 4 * index, word, LITTLE_ENDIAN);
  const markBytes = new Uint8Array(4);
  new DataView(markBytes.buffer).setUint32(0, mark ?? 0, LITTLE_ENDIAN);
  // Bit fields lie the other way round on big-endian machines.
  const bit = LITTLE_ENDIAN ? 0x20 : 0x04;
  return Uint8Array.from([
    ...bytes,
    ...attribute(8, 0),
    ...(mark === undefined ? [] : attribute(15, ...markBytes)),
    ...(v6only === undefined ? [] : attribute(11, v6only ? 1 : 0)),
    ...attribute(21, 1, 0, 0, 0, 0, 0, 0, 0),
    ...(transparent === undefined ? [] : attribute(22, (0xff & ~bit) | (transparent ? bit : 0), 3)),
  ]);
}

/** A message with a payload that does not begin where its buffer does, as those of the kernel. */
function raw(payload: Uint8Array): { header: never; payload: Uint8Array } {
  const buffer = new Uint8Array(payload.length + 24).fill(0xee);
  buffer.set(payload, 16);
  return { header: {} as never, payload: buffer.subarray(16, 16 + payload.length) };
}

test('what the kernel tells of a socket is read as it stands', () => {
  fc.assert(
    fc.property(fc.array(sockets, { minLength: 1, maxLength: 4 }), (list) => {
      const readers = new Map<string, SocketReader>();
      for (const socket of list) {
        const { protocol, family } = socket;
        const reader = readers.get(protocol + family) ?? new SocketReader(protocol, family);
        readers.set(protocol + family, reader);
        expect(reader.read(raw(payloadOf(socket)))).toEqual(socket);
        expect(reader.read(raw(payloadOf(socket)))).toEqual(socket);
      }
    }),
  );
});

test('bytes that break the protocol are refused, and others read', () => {
  const cases = sockets.chain((socket) => fc.tuple(fc.constant(socket), mutated(payloadOf(socket))));
  let refused = 0;
  fc.assert(
    fc.property(cases, ([{ protocol, family }, bytes]) => {
      try {
        const read = new SocketReader(protocol, family).read(raw(bytes));
        expect(read.local.port).toBe(new DataView(bytes.buffer).getUint16(4));
      } catch (error) {
        if (!isNetlinkTcError(error, 'ERR_PROTOCOL')) throw error;
        refused += 1;
      }
    }),
    { numRuns: 1000 },
  );
  expect(refused).toBeGreaterThan(0);
});

test('the IPv4 address of a socket of both families', () => {
  expect(normaliseMapped('::ffff:10.0.0.1')).toBe('10.0.0.1');
  expect(normaliseMapped('0:0:0:0:0:FFFF:0a00:1')).toBe('10.0.0.1');
  for (const other of ['10.0.0.1', '::', '::10.0.0.1', 'fd00::ffff:10.0.0.1'])
    expect(normaliseMapped(other)).toBe(other);
  expect(() => normaliseMapped('10.0.0')).toThrow(/no IPv4 or IPv6 address/);
});

test('states of a connection are those from the first SYN to the last ACK', () => {
  expect(TCP_CONNECTED).toHaveLength(TCP_STATES.length - 3);
  expect(TCP_CONNECTED).not.toContain('time_wait');
});

const CONNECTION = {
  protocol: 'tcp',
  family: 'ipv4',
  local: { address: '10.0.0.1', port: 80 },
  remote: { address: '10.0.0.2', port: 40_000 },
  device: 0,
  cookie: 2n ** 40n + 7n,
} as const;

test('what makes no sense is refused before anything is sent', () => {
  const list = { protocol: 'tcp', family: 'ipv4' } as const;
  const refused: (() => unknown)[] = [
    () => listSockets({ ...list, protocol: 'sctp' as 'tcp' }),
    () => listSockets({ ...list, family: 'unix' as 'ipv4' }),
    () => listSockets({ ...list, states: [] }),
    () => listSockets({ ...list, states: ['established', 'toString' as TcpState] }),
    () => listSockets({ ...list, states: 'listen' as unknown as TcpState[] }),
    () => listSockets({ ...list, localPort: 65_536 }),
    () => listSockets({ ...list, remotePort: -1 }),
    () => destroySocket({ ...CONNECTION, family: 'ipv6' }),
    () => destroySocket({ ...CONNECTION, cookie: -1n }),
    () => destroySocket({ ...CONNECTION, local: { address: 'here', port: 1 } }),
  ];
  for (const attempt of refused) expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
});

test('sockets of other netlink families take no such request, nor those of this one any other', async () => {
  let next = 8;
  const sys = createFakeSys({ answer: (name) => (name === 'socket' ? (next += 1) : 0) });
  using route = NetlinkSocket.open(sys);
  using diag = NetlinkSocket.open(sys, { protocol: NETLINK_SOCK_DIAG });
  const refused = { code: 'ERR_INVALID_ARGUMENT', hint: expect.stringContaining('protocol') as string };
  await expect(route.request(destroySocket(CONNECTION))).rejects.toMatchObject(refused);
  await expect(diag.request(listLinks())).rejects.toMatchObject(refused);
  expect(sys.calls.map(({ name }) => name)).not.toContain('sendto');
});

test('what the kernel refuses to end is explained', () => {
  const refused = (errno: number): unknown =>
    refusal({ result: -errno, extended: {} }, { ...destroySocket(CONNECTION), message: new Uint8Array() });
  expect(refused(EOPNOTSUPP)).toMatchObject({
    code: 'ERR_UNSUPPORTED',
    syscall: 'netlink(SOCK_DESTROY)',
    hint: expect.stringContaining('CONFIG_INET_DIAG_DESTROY') as string,
  });
  expect(refused(EPERM)).toMatchObject({ hint: expect.stringContaining('CAP_NET_ADMIN') as string });
});
