import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testNetns, type TestNetns } from '../../test/netns.ts';
import { closing, testSys } from '../../test/sys.ts';
import {
  addAddress,
  addLink,
  addNeighbour,
  addRoute,
  addRule,
  addressSource,
  deleteLink,
  linkSource,
  listAddresses,
  listLinks,
  listNeighbours,
  listRoutes,
  listRules,
  neighbourSource,
  routeSource,
  ruleSource,
  setLink,
  type Link,
} from '../rtnl/index.ts';
import { addFilter, addQdisc, deleteQdisc, filterSource, listQdiscs, qdiscSource, U32_ALL } from '../tc/index.ts';
import { isNetlinkTcError } from '../error.ts';
import { Monitor, type MonitorEvent } from './monitor.ts';
import type { Sys } from '../sys/index.ts';
import { NLM_F } from './message.ts';
import { NetlinkSocket } from './socket.ts';

/** Reads events until none has come for a while. */
async function settle<T>(monitor: Monitor<T>): Promise<MonitorEvent<T>[]> {
  const events: MonitorEvent<T>[] = [];
  for (;;) {
    const next = await Promise.race([
      pending(monitor),
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 150)),
    ]);
    if (next === undefined) return events;
    waiting.delete(monitor);
    if (next.done === true) return events;
    events.push(next.value as MonitorEvent<T>);
  }
}
// A call of `next` that nothing came for stays the next one.
const waiting = new Map<unknown, Promise<IteratorResult<MonitorEvent<unknown>, undefined>>>();
function pending<T>(monitor: Monitor<T>): Promise<IteratorResult<MonitorEvent<unknown>, undefined>> {
  const call = waiting.get(monitor) ?? monitor.next();
  waiting.set(monitor, call);
  return call;
}
const types = (events: readonly MonitorEvent<unknown>[]): string[] => events.map(({ type }) => type);

describeWith([root, tool('ip'), tool('tc')], 'monitors of the kernel', () => {
  test('first what is there, then what changes; it ends when it is closed', async () => {
    const sys = await testSys();
    const { socket, netns } = testNetns(sys);
    const controller = new AbortController();
    const monitor = Monitor.open(sys, linkSource(), { netns, signal: controller.signal });
    expect(types(await settle(monitor))).toEqual(['existing', 'ready']);
    await socket.request(addLink({ kind: 'bridge', name: 'br0' }));
    const [added] = await settle(monitor);
    expect(added).toMatchObject({ type: 'added', value: { name: 'br0', up: false } });
    await socket.request(setLink('br0', { mtu: 1400 }));
    expect(await settle(monitor)).toMatchObject([{ type: 'changed', value: { mtu: 1400 }, previous: { mtu: 1500 } }]);
    await socket.request(deleteLink('br0'));
    expect((await settle(monitor)).at(-1)).toMatchObject({ type: 'removed', value: { name: 'br0' } });
    const last = pending(monitor);
    controller.abort();
    expect(await last).toEqual({ done: true, value: undefined });
    expect(await monitor.next()).toEqual({ done: true, value: undefined });
  });

  test('leaving the loop ends it', async () => {
    const sys = await testSys();
    const { netns } = testNetns(sys);
    const seen: string[] = [];
    for await (const { type } of Monitor.open(sys, linkSource(), { netns })) {
      seen.push(type);
      if (type === 'ready') break;
    }
    expect(seen).toEqual(['existing', 'ready']);
  });

  test('notifications are printed with NETLINK_DEBUG=1', async () => {
    const sys = await testSys();
    const { socket, netns } = testNetns(sys);
    vi.stubEnv('NETLINK_DEBUG', '1');
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => {
      vi.unstubAllEnvs();
      write.mockRestore();
    });
    const monitor = closing(Monitor.open(sys, linkSource(), { netns }));
    await settle(monitor);
    write.mockClear();
    await socket.request(addLink({ kind: 'bridge', name: 'br0' }));
    await settle(monitor);
    expect(write.mock.calls.map(([printed]) => String(printed))).toContainEqual(
      expect.stringMatching(/^< RTM_NEWLINK seq \d+ .*"name":"br0".*\n$/),
    );
  });

  test('a bridge that loses a port has not lost the link', async () => {
    const sys = await testSys();
    const { socket, netns } = testNetns(sys);
    await socket.batch([
      addLink({ kind: 'bridge', name: 'br0', index: 5 }),
      addLink({ kind: 'ifb', name: 'i0', index: 6, master: 5 }),
    ]);
    const monitor = closing(Monitor.open(sys, linkSource(), { netns }));
    await settle(monitor);
    await socket.request(setLink(6, { master: 0 }));
    expect(new Set(types(await settle(monitor)))).toEqual(new Set(['changed']));
    expect(monitor.values).toEqual(await socket.request(listLinks()));
  });

  async function everything({ socket }: TestNetns): Promise<void> {
    await socket.batch([
      addLink({ kind: 'veth', name: 'v0', index: 2, peer: { name: 'v1', index: 3 } }),
      setLink('v0', { up: true }),
      setLink('v1', { up: true }),
      addAddress({ device: 2, address: '10.0.0.1/24' }),
      addRoute({ destination: '10.1.0.0/16', gateway: '10.0.0.2' }),
      addRule({ family: 'ipv4', priority: 9, mark: 1, table: 100 }),
      addNeighbour({ device: 2, address: '10.0.0.2', linkAddress: '02:00:00:00:00:02' }),
      addQdisc({ device: 2, kind: 'clsact' }),
      addFilter({ device: 2, parent: 'ingress', kind: 'u32', priority: 1, options: { selector: U32_ALL } }),
    ]);
  }

  test('addresses, routes, rules, neighbours, qdiscs and filters: each monitor ends up with what the kernel lists', async () => {
    const sys = await testSys();
    const all = testNetns(sys);
    const { socket, netns } = all;
    const open = { netns };
    const addresses = closing(Monitor.open(sys, addressSource(), open));
    const routes = closing(Monitor.open(sys, routeSource(), open));
    const rules = closing(Monitor.open(sys, ruleSource(), open));
    const neighbours = closing(Monitor.open(sys, neighbourSource(), open));
    const qdiscs = closing(Monitor.open(sys, qdiscSource(), open));
    const filters = closing(Monitor.open(sys, filterSource({ device: 2, parent: 'ingress' }), open));
    const monitors: Monitor<unknown>[] = [addresses, routes, rules, neighbours, qdiscs, filters] as Monitor<unknown>[];
    for (const monitor of monitors) expect(types(await settle(monitor)).at(-1)).toBe('ready');
    await everything(all);
    // Duplicate address detection of IPv6 goes on for a while.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    for (const monitor of monitors) expect(types(await settle(monitor))).toContain('added');
    const sorted = (list: readonly unknown[]): string[] => list.map((each) => JSON.stringify(each)).toSorted();
    const compare = async (): Promise<void> => {
      for (const monitor of monitors) await settle(monitor);
      expect(sorted(addresses.values)).toEqual(sorted(await socket.request(listAddresses())));
      expect(sorted(routes.values)).toEqual(sorted(await socket.request(listRoutes())));
      expect(sorted(rules.values)).toEqual(sorted(await socket.request(listRules())));
      expect(sorted(neighbours.values.map((each) => [each.device, each.address]))).toEqual(
        sorted(
          (await socket.request(listNeighbours()))
            .filter(({ state }) => state !== 'noarp')
            .map((each) => [each.device, each.address]),
        ),
      );
      expect(sorted(qdiscs.values)).toEqual(sorted(await socket.request(listQdiscs())));
    };
    await compare();
    expect(filters.values).not.toEqual([]);
    await socket.request(deleteQdisc({ device: 2, parent: 'clsact' }));
    await settle(filters);
    expect(filters.values).toEqual([]);
    // What goes with its link goes without a word of its own.
    await socket.request(deleteLink('v0'));
    await compare();
    expect(routes.values.filter(({ table }) => table === 254)).toEqual([]);
  });

  test('a queue too small loses notifications: the monitor says so, and ends up equal to a fresh list', async () => {
    const sys = await testSys();
    const { socket, netns } = testNetns(sys);
    const monitor = closing(Monitor.open(sys, linkSource(), { netns, receiveBuffer: 1 }));
    await settle(monitor);
    await socket.batch(Array.from({ length: 60 }, (_, n) => addLink({ kind: 'bridge', name: `br${n}` })));
    await socket.batch(Array.from({ length: 20 }, (_, n) => deleteLink(`br${n * 3}`)));
    await socket.batch(Array.from({ length: 20 }, (_, n) => setLink(`br${n * 3 + 1}`, { mtu: 1300 })));
    const events = await settle(monitor);
    expect(types(events)).toContain('resync');
    expect(monitor.resyncs).toBeGreaterThan(0);
    const fresh = await socket.request(listLinks());
    const byIndex = (links: readonly Link[]): Link[] => links.toSorted((a, b) => a.index - b.index);
    expect(byIndex(monitor.values)).toEqual(byIndex(fresh));
    expect(monitor.values).toHaveLength(41);
  });

  test(
    '1,000 links, others coming and going from a second process: no list is wrong, interruptions are seen and handled',
    { timeout: 300_000 },
    async () => {
      const sys = await testSys();
      const count = { lists: 0, interrupted: 0, givenUp: 0 };
      // Datagrams are looked at before they are taken: the flags of their first message tell.
      const listening: Sys = {
        ...sys,
        call(name, ...args) {
          const result = sys.call(name, ...args);
          const looked = name === 'recvfrom' && result > 0 && (Number(args[3]) & 2) !== 0;
          if (looked && ((args[1] as Uint8Array)[6] ?? 0) & NLM_F.DUMP_INTR) count.interrupted += 1;
          return result;
        },
      };
      const { netns } = testNetns(sys);
      const socket = closing(NetlinkSocket.open(listening, { netns }));
      const child = spawn(
        process.execPath,
        [
          '--conditions=@ambient/source',
          '--import',
          'tsx',
          new URL('../../test/churn.ts', import.meta.url).pathname,
          `/proc/${process.pid}/fd/${netns.fd}`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      const monitor = closing(Monitor.open(sys, linkSource(), { netns }));
      const start = Date.now();
      async function listOrPartial(): Promise<Link[]> {
        for (;;) {
          try {
            const links = await socket.request(listLinks());
            count.lists += 1;
            return links;
          } catch (error) {
            // Interrupted five times: what was read comes with the error, and is not trusted here.
            if (!isNetlinkTcError(error, 'ERR_DUMP_INTERRUPTED') || error.partial === undefined) throw error;
            count.givenUp += 1;
          }
        }
      }
      const enough = (): boolean => Date.now() - start > 3000 && count.lists > 0 && count.interrupted > 0;
      while (!enough() && Date.now() - start < 30_000) {
        const names = (await listOrPartial()).map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        expect(names.filter((name) => name.startsWith('stay'))).toHaveLength(1000);
      }
      expect(count.lists, `${count.givenUp} given up`).toBeGreaterThan(0);
      expect(count.interrupted).toBeGreaterThan(0);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await settle(monitor);
      const key = (links: readonly Link[]): string[] =>
        links.map(({ index, name, mtu }) => `${index} ${name} ${mtu}`).toSorted();
      expect(key(monitor.values)).toEqual(key(await socket.request(listLinks())));
    },
  );
});
