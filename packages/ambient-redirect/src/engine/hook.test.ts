import {
  addFilter,
  addQdisc,
  attachTcx,
  deleteFilter,
  deleteLink,
  getLink,
  listFilters,
  readProgramInfo,
  replaceFilter,
  type Direction,
} from 'netlink-tc';
import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { foreign, type Foreign } from '../../../netlink-tc/test/foreign.ts';
import { silentPair, Tracer } from '../../../netlink-tc/test/hook.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import type { TestNetns } from '../../../netlink-tc/test/netns.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { StateDirectory } from './directory.ts';
import { Hooks, type HookPlace, type HookProgram, type HooksOptions } from './hook.ts';

type Mode = 'tcx' | 'clsact';

/** What a program that has left a trace does then: the next one decides. */
const UNSPEC = -1;
const PRIORITY = 50;
const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];
const WAYS = DIRECTIONS.flatMap((direction) => (['tcx', 'clsact'] as const).map((mode) => ({ direction, mode })));

/** A link `v0` of index 2, programs that leave a trace, and engines that come and go. */
class Scene {
  readonly sys: Awaited<ReturnType<typeof testSys>>;
  readonly all: TestNetns;
  readonly tracer: Tracer;
  readonly path: string;
  directory: StateDirectory;

  private constructor(sys: Awaited<ReturnType<typeof testSys>>, all: TestNetns) {
    this.sys = sys;
    this.all = all;
    this.tracer = new Tracer(sys);
    this.path = statePath(sys);
    this.directory = closing(StateDirectory.open(sys, this.path, { create: true }));
  }

  static async set(): Promise<Scene> {
    const sys = await testSys();
    return new Scene(sys, await silentPair(sys));
  }

  program(number: number): HookProgram {
    const { fd } = this.tracer.program(number, UNSPEC);
    return { fd, id: readProgramInfo(this.sys, fd).id };
  }

  hooks(mode: HooksOptions['mode'], options: Partial<HooksOptions> = {}): Hooks {
    const { netns, socket } = this.all;
    return new Hooks(this.sys, socket, this.directory, { netns, mode, priority: PRIORITY, ...options });
  }

  /** An engine that follows one that has died: it has nothing but what is in the kernel. */
  restarted(mode: HooksOptions['mode']): Hooks {
    this.directory.close();
    this.directory = closing(StateDirectory.open(this.sys, this.path));
    return this.hooks(mode);
  }

  /** Which programs a frame meets that passes a side of `v0`. */
  frame(direction: Direction): Promise<number[]> {
    return this.tracer.frame(this.all, direction === 'ingress' ? 3 : 2);
  }

  /** All that others have on `v0`. */
  stock(ours: readonly (string | number)[] = []): Foreign {
    return foreign(this.sys, this.all, ours);
  }
}

function place(direction: Direction): HookPlace {
  return { device: 2, direction, owner: `ours_${direction}`, pinName: `hook-${direction}` };
}

describeWith([root, tool('ip'), tool('tc'), tool('bpftool'), tool('sysctl')], 'hooks', () => {
  test.each(WAYS)('$direction by $mode: attached, replaced, found again, adopted, detached', async (way) => {
    const { direction, mode } = way;
    const scene = await Scene.set();
    if (mode === 'tcx' && lacksTcx(scene.sys)) return;
    const [first, second, third] = [scene.program(1), scene.program(2), scene.program(3)];
    const before = scene.stock();
    const hooks = scene.hooks(mode);
    const record = await hooks.attach(place(direction), first);
    expect(record.where.mode).toBe(mode);
    expect(await scene.frame(direction)).toEqual([1]);
    expect(await hooks.state(record)).toEqual({ status: 'ours', programId: first.id });
    expect(await hooks.replace(record, second)).toEqual(record);
    expect(await hooks.replace(record, second)).toEqual(record);
    expect(await scene.frame(direction)).toEqual([2]);

    // Died before the record was written: attaching adopts, and does not double.
    const next = scene.restarted(mode);
    expect(await next.attach(place(direction), third)).toEqual(record);
    expect(await scene.frame(direction)).toEqual([3]);
    expect(await next.attach(place(direction), third)).toEqual(record);
    expect(await scene.frame(direction)).toEqual([3]);
    expect(scene.stock([`ours_${direction}`, third.id]).tcx).toEqual(before.tcx);

    // Died after it was written: plain data finds it.
    const last = scene.restarted(mode);
    const kept = JSON.parse(JSON.stringify(record)) as typeof record;
    expect(await last.state(kept)).toEqual({ status: 'ours', programId: third.id });
    await last.detach(kept);
    expect(await scene.frame(direction)).toEqual([]);
    expect(await last.state(kept)).toEqual({ status: 'gone' });
    await last.detach(kept);
    expect(scene.directory.records.names('qdisc/')).toHaveLength(mode === 'tcx' ? 0 : 1);
    await last.removeQdiscs();
    expect(scene.stock()).toEqual(before);
    expect(scene.directory.records.names('qdisc/')).toEqual([]);
    expect(scene.directory.linkNames()).toEqual([]);
    await expect(last.replace(kept, first)).rejects.toMatchObject({ code: 'ERR_HOOK_LOST' });
  });

  test.each(WAYS)('$direction by $mode: others before, beside and behind ours stay as they are', async (way) => {
    const { direction, mode } = way;
    const scene = await Scene.set();
    const { sys, all } = scene;
    if (mode === 'tcx' && lacksTcx(sys)) return;
    const [ours, newer, theirs, tcx] = [scene.program(1), scene.program(2), scene.program(3), scene.program(4)];
    const filter = (priority: number): Promise<unknown> =>
      all.socket.request(
        addFilter({
          device: 2,
          parent: direction,
          kind: 'bpf',
          priority,
          options: { fd: theirs.fd, name: `theirs${priority}`, flags: 1 },
        }),
      );
    await all.socket.request(addQdisc({ device: 2, kind: 'clsact' }));
    await filter(1);
    await filter(PRIORITY);
    if (!lacksTcx(sys)) closing(all.netns.run(() => attachTcx(sys, tcx, 2, direction)));
    const hooks = scene.hooks(mode);
    const record = await hooks.attach(place(direction), ours);
    await filter(100);
    const theirNames = [`ours_${direction}`, ours.id, newer.id];
    const before = scene.stock(theirNames);
    const others = lacksTcx(sys) ? [3] : [3, 4];
    expect((await scene.frame(direction)).toSorted()).toEqual([1, ...others]);
    await hooks.replace(record, newer);
    expect((await scene.frame(direction)).toSorted()).toEqual([2, ...others]);
    const next = scene.restarted(mode);
    await next.attach(place(direction), ours);
    expect(scene.stock(theirNames)).toEqual(before);
    await next.detach(record);
    expect(scene.stock()).toEqual(before);
    expect((await scene.frame(direction)).toSorted()).toEqual(others);
  });

  test('a clsact that we made stays when its filters go, and goes when all is over; one that others use by then stays', async () => {
    const scene = await Scene.set();
    const { all } = scene;
    const [out, into] = [scene.program(1), scene.program(2)];
    const hooks = scene.hooks('clsact');
    const before = scene.stock();
    const qdiscs = (): string => all.run('tc', 'qdisc', 'show', 'dev', 'v0');
    const outbound = await hooks.attach(place('ingress'), out);
    const inbound = await hooks.attach(place('egress'), into);
    await hooks.detach(outbound);
    await hooks.removeQdiscs();
    expect(await scene.frame('egress')).toEqual([2]);
    const again = await hooks.attach(place('ingress'), out);
    await hooks.detach(again);
    await hooks.detach(inbound);
    expect(scene.stock().net).toEqual(before.net);
    expect(qdiscs()).toContain('clsact');
    await scene.restarted('clsact').removeQdiscs();
    expect(scene.stock()).toEqual(before);

    const last = scene.hooks('clsact');
    const record = await last.attach(place('ingress'), out);
    const options = { fd: into.fd, name: 'theirs', flags: 1 };
    await all.socket.request(addFilter({ device: 2, parent: 'egress', kind: 'bpf', priority: 3, options }));
    await last.detach(record);
    await last.removeQdiscs();
    expect(scene.stock().net).toMatchObject([{ name: 'theirs' }]);
    expect(scene.directory.records.names('qdisc/')).toEqual([]);
  });

  test.each([
    ['whose maker died before', 'same', false],
    ['of a link that had the index before', 'other', true],
  ])('a clsact of others stays though it is empty, also where a record is left %s', async (_, link, made) => {
    const scene = await Scene.set();
    const hooks = scene.hooks('clsact');
    const { socket, netns } = scene.all;
    await socket.request(addQdisc({ device: 2, kind: 'clsact' }));
    const before = scene.stock();
    const { name, address } = await socket.request(getLink(2));
    const put = (): void =>
      scene.directory.records.put(`qdisc/${netns.inode}/2`, {
        link: link === 'same' ? `${name} ${address}` : link,
        made,
      });
    put();
    await hooks.removeQdiscs();
    expect(scene.stock()).toEqual(before);
    put();
    const record = await hooks.attach(place('ingress'), scene.program(1));
    await hooks.detach(record);
    await hooks.removeQdiscs();
    expect(scene.stock()).toEqual(before);
    expect(scene.directory.records.names('qdisc/')).toEqual([]);
  });

  test('a clsact that we made is known as ours where its maker died before it could say so', async () => {
    const scene = await Scene.set();
    const before = scene.stock();
    const hooks = scene.hooks('clsact');
    const record = await hooks.attach(place('ingress'), scene.program(1));
    const name = `qdisc/${scene.all.netns.inode}/2`;
    const { records } = scene.directory;
    records.put(name, { ...records.get<object>(name), made: false });
    const other = await scene.restarted('clsact').attach(place('egress'), scene.program(2));
    const last = scene.hooks('clsact');
    for (const each of [record, other]) await last.detach(each);
    await last.removeQdiscs();
    expect(scene.stock()).toEqual(before);
  });

  test('an ingress qdisc serves the ingress, and stands in the way of a filter on egress', async () => {
    const scene = await Scene.set();
    scene.all.run('tc', 'qdisc', 'add', 'dev', 'v0', 'ingress');
    const before = scene.stock();
    const hooks = scene.hooks('clsact');
    const [one, two] = [scene.program(1), scene.program(2)];
    await expect(hooks.attach(place('egress'), two)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const record = await hooks.attach(place('ingress'), one);
    expect(await scene.frame('ingress')).toEqual([1]);
    await hooks.detach(record);
    expect(scene.stock()).toEqual(before);
  });

  test('a priority that others have for another kind is told before anything is changed', async () => {
    const scene = await Scene.set();
    scene.all.run('tc', 'qdisc', 'add', 'dev', 'v0', 'clsact');
    const u32 = `filter add dev v0 ingress pref ${PRIORITY} protocol ip u32 match u32 0 0 flowid 1:1`;
    scene.all.run('tc', ...u32.split(' '));
    const before = scene.stock();
    await expect(scene.hooks('clsact').attach(place('ingress'), scene.program(1))).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      hint: 'choose another priority',
    });
    expect(scene.stock()).toEqual(before);
  });

  test('a filter that others put in our very place is theirs', async () => {
    const scene = await Scene.set();
    const { socket } = scene.all;
    const [ours, theirs] = [scene.program(1), scene.program(2)];
    const hooks = scene.hooks('clsact');
    const record = await hooks.attach(place('ingress'), ours);
    const [filter] = await socket.request(listFilters({ device: 2, parent: 'ingress' }));
    if (filter === undefined) throw new Error('no filter');
    const options = { fd: theirs.fd, name: 'theirs', flags: 1 };
    await socket.request(replaceFilter({ ...filter, kind: 'bpf', options }));
    expect(await hooks.state(record)).toEqual({ status: 'foreign', programId: theirs.id });
    await expect(hooks.replace(record, ours)).rejects.toMatchObject({ code: 'ERR_HOOK_LOST' });
    await hooks.detach(record);
    expect(await scene.frame('ingress')).toEqual([2]);
    await socket.request(deleteFilter(filter));
    expect(await hooks.state(record)).toEqual({ status: 'gone' });
  });

  test('a tcx link that others detached is gone, and attached anew', async () => {
    const scene = await Scene.set();
    if (lacksTcx(scene.sys)) return;
    const [program, hooks] = [scene.program(1), scene.hooks('tcx')];
    const record = await hooks.attach(place('ingress'), program);
    scene.all.run('bpftool', 'link', 'detach', 'pinned', `${scene.path}/v1/links/hook-ingress`);
    expect(await hooks.state(record)).toEqual({ status: 'gone' });
    expect(await hooks.attach(place('ingress'), program)).toEqual(record);
    expect(await scene.frame('ingress')).toEqual([1]);
    // The pin taken away, nobody holds the link: it goes some time later, and attaching waits for that.
    scene.directory.unpinLink('hook-ingress');
    expect(await hooks.state(record)).toEqual({ status: 'gone' });
    await hooks.attach(place('ingress'), program);
    expect(await scene.frame('ingress')).toEqual([1]);
    await hooks.detach(record);
  });

  test.each(WAYS)('$direction by $mode: the link gone', async ({ direction, mode }) => {
    const scene = await Scene.set();
    if (mode === 'tcx' && lacksTcx(scene.sys)) return;
    const [program, hooks] = [scene.program(1), scene.hooks(mode)];
    const record = await hooks.attach(place(direction), program);
    await scene.all.socket.request(deleteLink('v0'));
    expect(await hooks.state(record)).toEqual({ status: 'device-gone' });
    await expect(hooks.replace(record, scene.program(2))).rejects.toMatchObject({
      code: 'ERR_HOOK_LOST',
      hint: 'the link is gone',
    });
    await hooks.detach(record);
    expect(scene.directory.linkNames()).toEqual([]);
    await expect(hooks.attach(place(direction), program)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(scene.directory.linkNames()).toEqual([]);
    await hooks.forgetGone();
    expect(scene.directory.records.names('qdisc/')).toEqual([]);
  });

  test.each([
    ['clsact', 'tcx'],
    ['tcx', 'clsact'],
  ] as const)('what is there by %s moves to %s', async (from: Mode, to: Mode) => {
    const scene = await Scene.set();
    if (lacksTcx(scene.sys)) return;
    const before = scene.stock();
    const program = scene.program(1);
    await scene.hooks(from).attach(place('ingress'), program);
    const record = await scene.restarted(to).attach(place('ingress'), program);
    expect(record.where.mode).toBe(to);
    expect(await scene.frame('ingress')).toEqual([1]);
    expect(scene.directory.linkNames()).toHaveLength(to === 'tcx' ? 1 : 0);
    await scene.hooks(to).detach(record);
    await scene.hooks(to).removeQdiscs();
    expect(scene.stock()).toEqual(before);
  });

  test('auto takes tcx where there is one, in the order that was asked for', async () => {
    const scene = await Scene.set();
    const has = !lacksTcx(scene.sys);
    const hooks = scene.hooks('auto', { order: 'head' });
    const first = await hooks.attach(place('ingress'), scene.program(1));
    expect(first.where.mode).toBe(has ? 'tcx' : 'clsact');
    const second = await hooks.attach({ ...place('ingress'), owner: 'other', pinName: 'other' }, scene.program(2));
    // Of filters with one priority, too, the last is asked first.
    expect(await scene.frame('ingress')).toEqual([2, 1]);
    await hooks.detach(first);
    await hooks.detach(second);
  });
});
