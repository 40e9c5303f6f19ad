/** What a plan says is what is done: each operation is planned, then done, and what changed in the kernel is compared with what was said. */
import { existsSync, readdirSync } from 'node:fs';
import { hashMap, MAP_FLAG, u32 } from 'bpf-asm';
import {
  addFilter,
  BPF_DIRECT_ACTION,
  chain,
  listLinks,
  listQdiscs,
  listRoutes,
  listRules,
  openPinned,
  readMapInfo,
  TC_ACT,
  type NetlinkSocket,
  type Netns,
  type Sys,
} from 'netlink-tc';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import type { LabHost } from '../../../../test/support/lab-host.ts';
import { createLab, POD_CIDR, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { Tracer } from '../../../netlink-tc/test/hook.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { readSysctl, sysctlInterfaces } from '../node/sysctl.ts';
import { MAPS } from '../maps.ts';
import { RedirectEngine, type EngineOptions } from './index.ts';
import { planOperation } from './plan.ts';
import type { NodePlan, Operation } from './planned-change.ts';
import { STEER_PINS } from './steering.ts';
import { StateDirectory } from './directory.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 300_000 });

const TABLE = 100;

interface Space {
  readonly name: 'node' | 'proxy' | 'earlier proxy';
  readonly netns: Netns;
  readonly socket: NetlinkSocket;
}

/** Everything that an operation can change: what it is called in a plan, and its value. */
type Snapshot = ReadonlyMap<string, string>;

async function snapshot(sys: Sys, spaces: readonly Space[], directory: string): Promise<Snapshot> {
  const seen = new Map<string, string>();
  for (const { name, netns, socket } of spaces) {
    for (const { index, name: link } of await socket.request(listLinks())) {
      const where = name === 'node' ? link : name;
      for (const direction of ['ingress', 'egress'] as const)
        for (const { program } of (await chain(sys, socket, { device: index, direction, netns })).entries)
          seen.set(`hook ${where} ${program?.name} on ${direction}`, String(program?.id));
      for (const { kind } of await socket.request(listQdiscs({ device: index })))
        if (kind === 'clsact') seen.set(`qdisc ${where} clsact qdisc`, '');
    }
    const settings = ['ipv4', 'ipv6'].flatMap((family) =>
      sysctlInterfaces(netns, family as 'ipv4' | 'ipv6').flatMap((conf) =>
        ['rp_filter', 'forwarding', 'arp_ignore'].map((setting) => `${family}/conf/${conf}/${setting}`),
      ),
    );
    for (const setting of settings) {
      const value = readSysctl(netns, setting);
      if (value !== undefined) seen.set(`setting ${name} net/${setting}`, value);
    }
    for (const family of ['ipv4', 'ipv6'] as const) {
      for (const { table, priority, inputDevice } of await socket.request(listRules({ family })))
        if (table === TABLE)
          seen.set(`route ${name} ${family} rule ${priority}: iif ${inputDevice} lookup ${table}`, '');
      const routes = await socket.request(listRoutes({ family, table: TABLE })).catch(() => []);
      for (const { type } of routes)
        seen.set(`route ${name} ${family} route: ${type} default dev lo table ${TABLE}`, '');
    }
  }
  if (!existsSync(directory)) return seen;
  for (const folder of ['links', 'programs', 'maps'])
    for (const name of readdirSync(`${directory}/v1/${folder}`)) seen.set(`pin v1/${folder}/${name}`, '');
  using state = StateDirectory.open(sys, directory, { readOnly: true });
  for (const pin of STEER_PINS) {
    using link = state.openLink(pin);
    const info = link?.info();
    const steered = spaces.find(({ netns }) => netns.inode === BigInt(info?.netnsInode ?? 0));
    if (steered !== undefined) seen.set(`steering ${steered.name} ztunnel_steer by sk_lookup`, String(info?.programId));
  }
  return seen;
}

/** What a map holds belongs to what must not change while a plan is made. */
function contents(sys: Sys, directory: string): string {
  if (!existsSync(directory)) return '';
  using state = StateDirectory.open(sys, directory, { readOnly: true });
  return JSON.stringify(
    [...state.maps.records.entries()].map(([key, value]) => [
      Buffer.from(key.name).toString('hex'),
      key.part,
      key.generation,
      Buffer.from(value.data).toString('hex'),
    ]),
  );
}

/** What changed, in the words of a plan. */
function changesBetween(before: Snapshot, after: Snapshot): string[] {
  const all = [...new Set([...before.keys(), ...after.keys()])];
  return all.flatMap((key) => {
    const [was, is] = [before.get(key), after.get(key)];
    if (was === is) return [];
    if (was === undefined) return [`make ${key}`];
    if (is === undefined) return [`remove ${key}`];
    return [key.startsWith('setting') ? `set ${key} ${was} -> ${is}` : `replace ${key}`];
  });
}

/** The same of a plan. A pin that goes, and comes again for something else, is there before and after. */
function changesOf({ changes }: NodePlan): string[] {
  const lines = changes.flatMap(({ action, where, kind, what, pin, before, after }) => {
    const pins = pin === undefined ? [] : [`${action} pin ${pin}`];
    if (kind === 'program' || kind === 'map' || kind === 'pin') return pins;
    const name = `${kind} ${where} ${what.replace(/ \(\w+\)$/, '')}`;
    return [action === 'set' ? `set ${name} ${before} -> ${after}` : `${action} ${name}`, ...pins];
  });
  const all = new Set(lines);
  const isBoth = (line: string): boolean => {
    const [, pin] = /^(?:make|remove) (pin .*)$/.exec(line) ?? [];
    return pin !== undefined && all.has(`make ${pin}`) && all.has(`remove ${pin}`);
  };
  return lines.filter((line) => !isBoth(line));
}

/** A program whose tags are made up when it is loaded has a pin that cannot be said before. */
function withoutUnknown(done: readonly string[], said: readonly string[]): [done: string[], said: string[]] {
  const unknown = said.filter((line) => line.endsWith('-?')).map((line) => line.slice(0, -1));
  const isUnknown = (line: string): boolean => unknown.some((start) => line.startsWith(start)) && !said.includes(line);
  return [
    done.map((line) => (isUnknown(line) ? line.replace(/-[^-]*$/, '-?') : line)).toSorted(),
    [...said].toSorted(),
  ];
}

/** A proxy, as it is named. */
interface Named {
  readonly netns: { readonly path: string };
}

interface Scene {
  readonly sys: Sys;
  readonly lab: Lab;
  /** Plans an operation, sees that nothing changes by it, does it, and compares. */
  run(
    operation: Operation,
    perform: (engine: RedirectEngine) => Promise<unknown>,
    /** Who is, or is to be, the proxy, and who is no more. */
    proxies?: Partial<Record<'proxy' | 'earlier proxy', LabHost>>,
  ): Promise<NodePlan>;
}

async function scene(options: EngineOptions): Promise<Scene> {
  const sys = await testSys();
  const lab = await createLab(sys, { rpFilter: 1 });
  const directory = statePath(sys);
  const all: EngineOptions = {
    sys,
    directory,
    host: { fd: lab.node.netns.fd },
    podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
    ...options,
  };
  onTestFinished(async () => {
    if (existsSync(directory)) await (await RedirectEngine.open(all)).teardown();
    await lab.close();
  });
  await startProxy(lab.proxy);
  return {
    sys,
    lab,
    run: async (operation, perform, proxies = { proxy: lab.proxy }) => {
      const spaces = Object.entries({ node: lab.node, ...proxies }).map(
        ([name, { netns, socket }]) => ({ name, netns, socket }) as Space,
      );
      const before = await snapshot(sys, spaces, directory);
      const held = contents(sys, directory);
      const plan = await planOperation(operation, all);
      expect(changesBetween(before, await snapshot(sys, spaces, directory))).toEqual([]);
      expect(contents(sys, directory)).toBe(held);
      await using engine = await RedirectEngine.open(all);
      await perform(engine);
      await engine.close();
      const [done, said] = withoutUnknown(
        changesBetween(before, await snapshot(sys, spaces, directory)),
        changesOf(plan),
      );
      expect(said).toEqual(done);
      return plan;
    },
  };
}

describeWith([root], 'what a plan says is what is done', () => {
  test.each([
    { attach: 'tcx', steer: 'sk_lookup' },
    { attach: 'clsact', steer: 'tproxy' },
  ] as const)('by $attach and $steer', async (options) => {
    const { lab, run } = await scene(options);
    const proxy = { netns: { path: lab.proxy.path } };
    const set = await run({ kind: 'set-proxy', proxy }, (engine) => engine.setProxy(proxy));
    expect(set.changes.filter(({ kind }) => kind === 'setting').length).toBeGreaterThan(0);

    const client = { id: 'client', netns: { fd: lab.client.netns.fd } };
    const enrolled = await run({ kind: 'enroll', pods: [client] }, (engine) => engine.enroll([client]));
    expect(
      enrolled.changes
        .filter(({ kind }) => kind === 'hook')
        .map(({ action, where, what }) => `${action} ${where} ${what}`),
    ).toEqual([
      'replace v-proxy ztunnel_host_in on ingress',
      'make v-client app_outbound on ingress (preserve)',
      'make v-client app_inbound on egress (preserve)',
    ]);

    if (options.attach === 'clsact') {
      await run({ kind: 'unenroll', ids: ['client'] }, (engine) => engine.unenroll('client'));
      await run({ kind: 'clear-proxy' }, (engine) => engine.clearProxy());
      await run({ kind: 'teardown' }, (engine) => engine.teardown());
      return;
    }

    // Its connections of before have ended: that is found when the next engine is opened.
    const server = { id: 'server', netns: { fd: lab.server.netns.fd }, policy: { dns: true } };
    await run({ kind: 'enroll', pods: [server] }, (engine) => engine.enroll([server]));
    await run({ kind: 'reconcile' }, (engine) => engine.reconcile());
    expect((await run({ kind: 'reconcile' }, (engine) => engine.reconcile())).changes).toEqual([]);

    await run({ kind: 'set-proxy', proxy, handover: true }, (engine) => engine.setProxy(proxy, { handover: true }));
    await run({ kind: 'unenroll', ids: ['client', 'other'] }, (engine) => engine.unenroll(['client', 'other']));
    await run({ kind: 'clear-proxy' }, (engine) => engine.clearProxy());
    const over = await run({ kind: 'teardown' }, (engine) => engine.teardown());
    expect(over.changes.length).toBeGreaterThan(20);
  });

  test('maps of an older version that are made anew', async () => {
    const sys = await testSys();
    const directory = statePath(sys);
    const interfaces = hashMap('interfaces', { key: u32, value: u32, maxEntries: 100, flags: MAP_FLAG.NO_PREALLOC });
    StateDirectory.open(sys, directory, { create: true, maps: { ...MAPS, interfaces } }).close();
    const ids = (): Record<string, number> => {
      const names = Object.keys(MAPS) as (keyof typeof MAPS)[];
      return Object.fromEntries(
        names.map((name) => {
          using map = openPinned(sys, `${directory}/v1/maps/${name}`);
          return [name, readMapInfo(sys, map.fd).id];
        }),
      );
    };
    const before = ids();
    const plan = await planOperation({ kind: 'upgrade' }, { sys, directory });
    expect(ids()).toEqual(before);
    StateDirectory.open(sys, directory).close();
    const after = ids();
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(plan.changes.map(({ action, what }) => `${action} ${what}`)).toEqual(
      changed.map((name) => `replace ${name}`),
    );
    expect(changed).toEqual(['interfaces']);
  });

  test('a proxy in another namespace takes over', async () => {
    const { lab, run } = await scene({ attach: 'tcx', steer: 'sk_lookup' });
    const [proxy, next] = [lab.proxy, lab.outsider].map(({ path }) => ({ netns: { path } })) as [Named, Named];
    await run({ kind: 'set-proxy', proxy }, (engine) => engine.setProxy(proxy));
    await startProxy(lab.outsider);
    const proxies = { proxy: lab.outsider, 'earlier proxy': lab.proxy };
    const set = { kind: 'set-proxy', proxy: next } as const;
    const { changes, notes } = await run(set, (engine) => engine.setProxy(next), proxies);
    const hosts = changes.filter(({ what }) => what === 'ztunnel_host_in on ingress');
    expect(hosts.map(({ action, where }) => `${action} ${where}`)).toEqual(['make v-outsider']);
    expect(notes).toContain('the proxy at v-proxy keeps the connections that it has, until they end');
  });

  test('what others broke is part of it', async () => {
    const { lab, run } = await scene({ attach: 'clsact', steer: 'sk_lookup' });
    const proxy = { netns: { path: lab.proxy.path } };
    await run({ kind: 'set-proxy', proxy }, (engine) => engine.setProxy(proxy));
    const pods = (['client', 'server'] as const).map((id) => ({ id, netns: { fd: lab[id].netns.fd } }));
    await run({ kind: 'enroll', pods }, (engine) => engine.enroll(pods));
    await run({ kind: 'reconcile' }, (engine) => engine.reconcile());
    await lab.node.exec('tc', 'filter', 'del', 'dev', 'v-client', 'ingress');
    await lab.node.exec('ip', 'link', 'del', 'v-server');
    lab.proxy.sysctl('ipv4/conf/eth0/forwarding', '1');
    await lab.proxy.exec('ip', 'rule', 'del', 'priority', '20000');
    const { changes } = await run({ kind: 'reconcile' }, (engine) => engine.reconcile());
    expect(changes.map(({ action, where, kind }) => `${action} ${where} ${kind}`)).toContain('make v-client hook');
  });

  test('what would be refused is said, and by whom a program would be hidden', async () => {
    const { sys, lab, run } = await scene({ attach: 'clsact' });
    const proxy = { netns: { path: lab.proxy.path } };
    await run({ kind: 'set-proxy', proxy }, (engine) => engine.setProxy(proxy));
    await lab.node.exec('tc', 'qdisc', 'add', 'dev', 'v-client', 'clsact');
    const options = { fd: new Tracer(sys).program(1, TC_ACT.OK).fd, name: 'theirs', flags: BPF_DIRECT_ACTION };
    const { hostIndex: device } = lab.client;
    await lab.node.socket.request(addFilter({ device, parent: 'ingress', kind: 'bpf', priority: 1, options }));
    const pods = [
      { id: 'client', netns: { fd: lab.client.netns.fd } },
      { id: 'none', hostInterface: 'v-none' },
    ];
    const { refused, notes, changes } = await run({ kind: 'enroll', pods }, (engine) =>
      engine.enroll(pods).catch(() => undefined),
    );
    expect(refused).toMatchObject([{ subject: 'none', error: { code: 'ERR_INTERFACE_NOT_FOUND' } }]);
    expect(notes.join()).toContain('can end the hook before app_outbound');
    const outbound = changes.find(({ what }) => what.startsWith('app_outbound on'));
    expect(outbound?.how).toBe('by clsact at priority 20000, 2 of 2, after p1, in the clsact qdisc that is there');
    await expect(planOperation({ kind: 'reconcile' }, { directory: '/sys/fs/bpf/ambient-none' })).rejects.toMatchObject(
      {
        code: 'ERR_NO_STATE',
      },
    );
  });
});
