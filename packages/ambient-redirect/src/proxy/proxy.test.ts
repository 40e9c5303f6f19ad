import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSys, type Family, type Sys } from 'netlink-tc';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { LabHost } from '../../../../test/support/lab-host.ts';
import { steer } from '../../../../test/support/lab-steer.ts';
import { createLab, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { applySettings, planSettings } from '../node/index.ts';
import { Host } from '../topology/index.ts';
import type { Ending } from './connection.ts';
import { TransparentProxy, type ProxiedConnection } from './proxy.ts';
import { openSocket } from './sockets.ts';
import { listenTcp } from './tcp.ts';

const PORT = 15001;
/** What is steered keeps its port: the proxy listens for queries where resolvers do. */
const PORTS = { outbound: PORT, hbone: 15008, plaintext: 15006, dns: 53 };
const FAMILIES = ['ipv4', 'ipv6'] as const;

describeWith([root], 'transparent proxy', () => {
  let sys: Sys;
  let lab: Lab;
  let proxy: TransparentProxy;
  let seen: (ProxiedConnection & Partial<Ending>)[];
  const servers: Server[] = [];

  beforeAll(async () => {
    sys = await openSys({ traceFds: true });
    lab = await createLab(sys);
    using host = new Host(sys, { path: lab.node.path });
    const target = { host, hostInterface: 'v-proxy', proxy: lab.proxy, proxyInterface: 'eth0' };
    await applySettings(target, await planSettings(target));
    await steer(lab);
  });
  afterAll(() => lab.close());
  beforeEach(async () => {
    seen = [];
    proxy = await TransparentProxy.open(sys, lab.proxy.netns, {
      ports: PORTS,
      onEnd: (connection, ending) => seen.push({ ...connection, ...ending }),
    });
  });
  afterEach(async () => {
    await proxy.close();
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => void server.close(resolve))));
  });

  /** A server in the server pod that does `serve` with each connection, both families. */
  async function serve(serveOne: (socket: Socket) => void): Promise<void> {
    for (const address of ['0.0.0.0', '::']) {
      const server = createServer({ allowHalfOpen: true }, serveOne);
      servers.push(server);
      await listenTcp(sys, lab.server.netns, server, { at: { address, port: PORT } });
    }
  }

  const connect = (family: Family, to: LabHost = lab.server): Socket =>
    lab.client.connect({ to: { address: to.address(family), port: PORT }, allowHalfOpen: true });

  /** What comes until the other side has finished. Not by `for await`, which closes the socket then. */
  async function text(socket: Socket): Promise<string> {
    let all = '';
    socket.setEncoding('utf8').on('data', (part: string) => (all += part));
    await once(socket, 'end');
    return all;
  }

  async function ended(count: number): Promise<void> {
    for (let i = 0; seen.length < count && i < 400; i += 1) await sleep(5);
    expect(seen).toHaveLength(count);
  }

  test.each(FAMILIES)('half-close goes through both ways, addresses are kept: %s', async (family) => {
    await serve((socket) => {
      void text(socket).then((question) => socket.end(`${socket.remoteAddress} asked ${question}`));
    });
    const client = connect(family);
    client.write('one');
    client.end(' two');
    expect(await text(client)).toBe(`${lab.client.address(family)} asked one two`);
    await ended(1);
    expect(seen).toMatchObject([
      {
        purpose: 'outbound',
        source: { address: lab.client.address(family) },
        destination: { address: lab.server.address(family), port: PORT },
        sent: 7,
        error: undefined,
      },
    ]);
    expect(proxy.counters).toMatchObject({ accepted: { outbound: 1 }, active: 0, failed: 0, sent: 7 });
  });

  test('the server may be the first to finish', async () => {
    await serve((socket) => {
      socket.end('greeting');
      socket.resume();
    });
    const client = connect('ipv4');
    expect(await text(client)).toBe('greeting');
    client.end('late');
    await ended(1);
    expect(seen).toMatchObject([{ sent: 4, received: 8, error: undefined }]);
  });

  test('much data arrives whole, and a reader that is slow slows the writer down', async () => {
    const block = randomBytes(1 << 20);
    const blocks = 64;
    let written = 0;
    await serve((socket) => {
      socket.resume();
      const write = (): void => {
        for (; written < blocks; written += 1) if (!socket.write(block)) return void (written += 1);
        socket.end();
      };
      socket.on('drain', write);
      write();
    });
    const client = connect('ipv6');
    client.pause();
    await once(client, 'connect');
    await sleep(300);
    // The kernel's buffers on the way hold some megabytes.
    expect(written).toBeLessThan(blocks);
    expect(proxy.counters.active).toBe(1);
    const hash = createHash('sha256');
    let length = 0;
    for await (const part of client) {
      length += (part as Uint8Array).length;
      hash.update(part as Uint8Array);
    }
    client.end();
    const expected = createHash('sha256');
    for (let i = 0; i < blocks; i += 1) expected.update(block);
    expect(length).toBe(blocks * block.length);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    await ended(1);
  });

  test.each(FAMILIES)('what the destination refuses is reset for the client: %s', async (family) => {
    const client = connect(family);
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    await ended(1);
    expect(seen).toMatchObject([{ error: 'ECONNREFUSED' }]);
    expect(proxy.counters).toMatchObject({ failed: 1, active: 0 });
  });

  test('a reset goes through both ways', async () => {
    const accepted: Socket[] = [];
    await serve((socket) => {
      accepted.push(socket);
      socket.resume();
    });
    const first = connect('ipv4');
    first.write('x');
    while (accepted.length < 1) await sleep(5);
    const reset = once(accepted[0] as Socket, 'error');
    first.resetAndDestroy();
    expect(((await reset) as [NodeJS.ErrnoException])[0].code).toBe('ECONNRESET');
    const second = connect('ipv4');
    second.write('x');
    while (accepted.length < 2) await sleep(5);
    const back = once(second, 'error');
    accepted[1]?.resetAndDestroy();
    expect(((await back) as [NodeJS.ErrnoException])[0].code).toBe('ECONNRESET');
    await ended(2);
    expect(proxy.counters).toMatchObject({ failed: 2, active: 0 });
  });

  test('a connection to the proxy itself is not joined to itself', async () => {
    const [error] = (await once(connect('ipv4', lab.proxy), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect(proxy.counters).toMatchObject({ refused: 1, active: 0 });
  });

  test.each(FAMILIES)('DNS: the answer comes from the resolver, for connected sockets too: %s', async (family) => {
    const type = family === 'ipv4' ? 'udp4' : 'udp6';
    const udp = (host: LabHost, address: string, port: number): UdpSocket => {
      const socket = createSocket(type);
      const fd = openSocket(sys, host.netns, { protocol: 'udp', family, bind: { address, port } });
      // It listens at once.
      socket.bind({ fd: fd.release() });
      return socket;
    };
    const resolver = udp(lab.server, family === 'ipv4' ? '0.0.0.0' : '::', 53);
    const from: string[] = [];
    resolver.on('message', (query, { address, port }) => {
      from.push(address);
      resolver.send(`answer to ${query.toString()}`, port, address);
    });
    const client = udp(lab.client, lab.client.address(family), 0);
    client.connect(53, lab.server.address(family));
    await once(client, 'connect');
    for (const query of ['a', 'b']) {
      client.send(query);
      const [answer] = (await once(client, 'message')) as [Uint8Array];
      expect(answer.toString()).toBe(`answer to ${query}`);
    }
    // From the proxy: not from the client, to whom the answer would go past the proxy.
    expect(from).toEqual([lab.proxy.address(family), lab.proxy.address(family)]);
    expect(proxy.counters).toMatchObject({ queries: 2, answers: 2, dropped: 0 });
    // A resolver that is not there: its refusal ends the wait.
    resolver.close();
    await once(resolver, 'close');
    client.send('c');
    for (let i = 0; proxy.counters.dropped < 1 && i < 400; i += 1) await sleep(5);
    expect(proxy.counters).toMatchObject({ queries: 3, answers: 2, dropped: 1 });
    client.close();
  });

  test('closing breaks off what is open, also what never comes about, and frees the ports', async () => {
    await serve((socket) => socket.resume().on('error', () => undefined));
    const open = connect('ipv4');
    await once(open, 'connect');
    // Nobody there: the proxy waits for an answer.
    const hanging = lab.client.connect({ to: { address: '10.244.7.99', port: PORT } });
    await once(hanging, 'connect');
    while (proxy.counters.active < 2) await sleep(5);
    const ends = Promise.all([open, hanging].map((socket) => once(socket, 'error')));
    expect(proxy.listeners).toHaveLength(10);
    await proxy.close();
    await ends;
    expect(proxy.listeners).toEqual([]);
    await ended(2);
    expect(proxy.counters.active).toBe(0);
    await proxy.close();
    const again = await TransparentProxy.open(sys, lab.proxy.netns, { ports: PORTS });
    await expect(TransparentProxy.open(sys, lab.proxy.netns, { ports: PORTS })).rejects.toMatchObject({
      errno: constants.errno.EADDRINUSE,
    });
    await again.close();
  });

  test('nothing is left open', async () => {
    await proxy.close();
    await lab.close();
    expect(sys.fds.open()).toEqual([]);
  });
});
