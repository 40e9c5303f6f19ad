import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testNetns, type TestNetns } from '../../test/netns.ts';
import { closing, testSys } from '../../test/sys.ts';
import { isNetlinkTcError } from '../error.ts';
import { NetlinkSocket } from '../netlink/index.ts';
import { addAddress, addLink, addNeighbour, setLink } from '../rtnl/index.ts';
import type { Sys } from '../sys/index.ts';
import { NETLINK_SOCK_DIAG } from './format.ts';
import { normaliseMapped, type InetSocket } from './socket.ts';
import { destroySocket, listSockets, type SocketFilter } from './sockets.ts';
import { TCP_CONNECTED, type TcpState } from './state.ts';

/** A process of sockets (test/sockets.mjs) in a namespace, and who asks about them. */
interface Sockets extends TestNetns {
  readonly sys: Sys;
  list(filter: SocketFilter): Promise<InetSocket[]>;
  /** All of them: both protocols, both families. */
  all(): Promise<InetSocket[]>;
  /** What happened to a socket of the process. */
  events(name: string): Promise<string>;
  readonly diag: NetlinkSocket;
}

async function sockets(): Promise<Sockets> {
  const sys = await testSys();
  const inside = testNetns(sys);
  await inside.socket.batch([
    setLink('lo', { up: true }),
    addLink({ kind: 'veth', name: 'v0', index: 2, peer: { name: 'v1', index: 3 } }),
    setLink('v0', { up: true }),
    setLink('v1', { up: true }),
    addAddress({ device: 2, address: '10.9.0.1/24' }),
    addNeighbour({ device: 2, address: '10.9.0.2', linkAddress: '02:00:00:00:00:02' }),
  ]);
  const script = join(import.meta.dirname, '../../test/sockets.mjs');
  const path = `/proc/${process.pid}/fd/${inside.netns.fd}`;
  const child = spawn('nsenter', [`--net=${path}`, process.execPath, script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  expect((await lines.next()).value).toBe('ready');
  const diag = closing(NetlinkSocket.open(sys, { netns: inside.netns, protocol: NETLINK_SOCK_DIAG }));
  const list = (filter: SocketFilter): Promise<InetSocket[]> => diag.request(listSockets(filter));
  return {
    ...inside,
    sys,
    diag,
    list,
    all: async () => {
      const lists = await diag.batch(
        (['tcp', 'udp'] as const).flatMap((protocol) =>
          (['ipv4', 'ipv6'] as const).map((family) => listSockets({ protocol, family })),
        ),
      );
      return lists.flat();
    },
    events: async (name) => {
      child.stdin.write(`${name}\n`);
      return String((await lines.next()).value);
    },
  };
}

/** The words of ss for our states. */
const WORDS: Readonly<Record<string, TcpState>> = {
  ESTAB: 'established',
  'SYN-SENT': 'syn_sent',
  'SYN-RECV': 'syn_recv',
  'FIN-WAIT-1': 'fin_wait1',
  'FIN-WAIT-2': 'fin_wait2',
  'TIME-WAIT': 'time_wait',
  UNCONN: 'close',
  'CLOSE-WAIT': 'close_wait',
  'LAST-ACK': 'last_ack',
  LISTEN: 'listen',
  CLOSING: 'closing',
};

/** A line of `ss -HOnae` in our words; of its extras those that every socket has. */
function fromTool(protocol: string, line: string): unknown {
  const [state = '', received, sent, local = '', remote = '', ...extras] = line.trim().split(/\s+/);
  const extra = (name: string): string | undefined =>
    extras.find((each) => each.startsWith(`${name}:`))?.slice(name.length + 1);
  return {
    protocol,
    state: WORDS[state],
    queues: [Number(received), Number(sent)],
    local,
    remote,
    inode: Number(extra('ino') ?? 0),
    cookie: extra('sk'),
    uid: Number(extra('uid') ?? 0),
    v6only: extra('v6only'),
  };
}

function toolEnd({ address, port }: InetSocket['local'], { family, v6only }: InetSocket): string {
  const any = family === 'ipv6' && address === '::' && v6only !== true && port !== 0;
  const host = any ? '*' : family === 'ipv6' ? `[${address}]` : address;
  return `${host}:${port === 0 ? '*' : port}`;
}

function toTool(socket: InetSocket): unknown {
  const { protocol, state, receiveQueue, sendQueue, local, remote, inode, cookie, uid, v6only } = socket;
  const unconnected = remote.port === 0 && v6only === false ? '*:*' : toolEnd(remote, socket);
  return {
    protocol,
    state,
    queues: [receiveQueue, sendQueue],
    local: toolEnd(local, socket),
    remote: unconnected,
    inode,
    cookie: cookie.toString(16),
    uid,
    v6only: v6only === undefined ? undefined : String(Number(v6only)),
  };
}

const byCookie = (list: readonly unknown[]): unknown[] =>
  list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

describeWith([root, tool('ss')], 'sockets of the kernel', () => {
  test('every kind and state is told as ss tells it', async () => {
    const { all, run } = await sockets();
    const seen = (['tcp', 'udp'] as const).flatMap((protocol) =>
      run('ss', '-HOnae', `--${protocol}`)
        .trim()
        .split('\n')
        .map((line) => fromTool(protocol, line)),
    );
    const ours = await all();
    expect(byCookie(ours.map(toTool))).toEqual(byCookie(seen));
    const states = new Set(ours.map(({ state }) => state));
    expect([...states].toSorted()).toEqual([
      'close',
      'close_wait',
      'established',
      'fin_wait2',
      'listen',
      'syn_sent',
      'time_wait',
    ]);
  });

  test('a connection from an IPv4 client to a server of both families', async () => {
    const { list } = await sockets();
    const [server] = await list({ protocol: 'tcp', family: 'ipv6', remotePort: 4003 });
    expect(server).toMatchObject({
      state: 'established',
      local: { address: '::ffff:127.0.0.1', port: 83 },
      remote: { address: '::ffff:127.0.0.1', port: 4003 },
    });
    expect(normaliseMapped(server?.local.address ?? '')).toBe('127.0.0.1');
    const [client] = await list({ protocol: 'tcp', family: 'ipv4', localPort: 4003 });
    expect(client).toMatchObject({ remote: { address: '127.0.0.1', port: 83 }, mark: 0, transparent: false });
    const listener = (port: number): SocketFilter => ({
      protocol: 'tcp',
      family: 'ipv6',
      states: ['listen'],
      localPort: port,
    });
    expect(await list(listener(83))).toMatchObject([{ v6only: false, transparent: false }]);
    expect(await list(listener(82))).toMatchObject([{ v6only: true }]);
  });

  test('connections alone: without those that are over, and what listens', async () => {
    const { list } = await sockets();
    const connections = await list({ protocol: 'tcp', family: 'ipv6', states: TCP_CONNECTED });
    expect(connections.map(({ local, remote }) => `${local.port} ${remote.port}`).toSorted()).toEqual([
      '4002 82',
      '82 4002',
      '83 4003',
    ]);
    const over = await list({ protocol: 'tcp', family: 'ipv6', states: ['time_wait'] });
    expect(over).toMatchObject([{ local: { port: 4005 }, inode: 0, timer: { kind: 'time_wait' } }]);
    const lost = await list({ protocol: 'tcp', family: 'ipv4', states: ['syn_sent'] });
    expect(lost).toMatchObject([{ remote: { address: '10.9.0.2', port: 80 }, timer: { kind: 'retransmit' } }]);
    expect(lost[0]?.timer?.expiresMs).toBeGreaterThan(0);
  });

  test('a connection is ended from outside, once, and no other in its place', async () => {
    const { diag, list, events } = await sockets();
    const find = async (localPort: number): Promise<InetSocket> => {
      const [found] = await list({ protocol: 'tcp', family: 'ipv6', localPort, states: ['established'] });
      if (found === undefined) throw new Error(`no connection of port ${localPort}`);
      return found;
    };
    const client = await find(4002);
    await expect(diag.request(destroySocket({ ...client, cookie: client.cookie + 1n }))).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(NOT_FOUND|UNSUPPORTED)$/) as string,
    });
    const refusal = await diag.request(destroySocket(client)).catch((error: unknown) => error);
    // A kernel that cannot says so: that is all to be seen there.
    const unsupported = isNetlinkTcError(refusal, 'ERR_UNSUPPORTED');
    if (unsupported && refusal.hint?.includes('CONFIG_INET_DIAG_DESTROY') === true) return;
    expect(refusal).toBeUndefined();
    await sleep(50);
    expect(await events('ipv6')).toBe('ipv6: ECONNABORTED close');
    expect(await events('server of 4002')).toBe('server of 4002: ECONNRESET close');
    await expect(diag.request(destroySocket(client))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
      hint: 'it has ended already',
    });
    // The end of a connection that speaks IPv4 by a socket of IPv6.
    await diag.request(destroySocket(await find(83)));
    await sleep(50);
    expect(await events('mapped')).toBe('mapped: ECONNRESET close');
    expect(await events('ipv4')).toBe('ipv4: ');
  });

  test('an ordinary user sees all but marks, and ends nothing', async () => {
    const { sys, netns, all } = await sockets();
    const expected = await all();
    const diag = netns.run(() => {
      process.seteuid?.(65_534);
      try {
        return NetlinkSocket.open(sys, { protocol: NETLINK_SOCK_DIAG });
      } finally {
        process.seteuid?.(0);
      }
    });
    process.seteuid?.(65_534);
    try {
      using socket = diag;
      const seen = await socket.request(listSockets({ protocol: 'tcp', family: 'ipv6' }));
      const same = expected.filter(({ protocol, family }) => protocol === 'tcp' && family === 'ipv6');
      expect(seen.map(({ cookie }) => cookie).toSorted()).toEqual(same.map(({ cookie }) => cookie).toSorted());
      expect(seen.filter(({ mark }) => mark !== undefined)).toEqual([]);
      const [victim] = seen;
      if (victim === undefined) throw new Error('no socket');
      await expect(socket.request(destroySocket(victim))).rejects.toMatchObject({
        code: 'ERR_PERMISSION',
        hint: expect.stringContaining('CAP_NET_ADMIN') as string,
      });
    } finally {
      process.seteuid?.(0);
    }
  });
});
