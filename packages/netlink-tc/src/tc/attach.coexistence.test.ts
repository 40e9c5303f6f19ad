import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { bpftoolNet, foreign } from '../../test/foreign.ts';
import { silentPair, Tracer } from '../../test/hook.ts';
import { lacksTcx } from '../../test/kernel.ts';
import type { TestNetns } from '../../test/netns.ts';
import { closing, testSys } from '../../test/sys.ts';
import { attachTcx, readProgramInfo, type BpfProgram, type Direction } from '../bpf/index.ts';
import type { Sys } from '../sys/index.ts';
import { TC_ACT } from './action.ts';
import { attach, type TcAttachment } from './attach.ts';
import { addFilter, deleteFilter, listFilters } from './filter.ts';
import { replaceQdisc } from './qdisc.ts';

const { UNSPEC } = TC_ACT;
const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

/** A link, others that may come to it before us or after us, and ours. */
interface Scene {
  readonly sys: Sys;
  readonly all: TestNetns;
  readonly tracer: Tracer;
  readonly direction: Direction;
  readonly ours: BpfProgram;
  readonly newer: BpfProgram;
  /** What `foreign` is to leave out. */
  readonly except: readonly (string | number)[];
}

async function scene(direction: Direction): Promise<Scene> {
  const sys = await testSys();
  const all = await silentPair(sys);
  const tracer = new Tracer(sys);
  const [ours, newer] = [tracer.program(3, UNSPEC), tracer.program(4, UNSPEC)];
  const except = ['ours', readProgramInfo(sys, ours.fd).id, readProgramInfo(sys, newer.fd).id];
  return { sys, all, tracer, direction, ours, newer, except };
}

function attachOurs({ sys, all, direction, ours }: Scene, mode: 'tcx' | 'clsact'): Promise<TcAttachment> {
  const place = { priority: 50, handle: 7 };
  return attach(sys, all.socket, ours, { device: 2, direction, netns: all.netns, name: 'ours', mode, ...place });
}

/** Others who share: a filter before and one behind ours (program 1), and where the kernel has it a program on tcx (program 2). */
async function sharers({ sys, all, tracer, direction }: Scene): Promise<void> {
  const { fd } = tracer.program(1, UNSPEC);
  await all.socket.request(replaceQdisc({ device: 2, kind: 'clsact' }));
  for (const priority of [1, 100]) {
    const options = { fd, name: `theirs${priority}`, flags: 1 };
    await all.socket.request(addFilter({ device: 2, parent: direction, kind: 'bpf', priority, options }));
  }
  const program = tracer.program(2, UNSPEC);
  if (!lacksTcx(sys)) closing(all.netns.run(() => attachTcx(sys, program, 2, direction)));
}

/** What the CNI plugin bandwidth makes: an `ingress` qdisc that sends all that arrives through an ifb. */
async function bandwidth({ all }: Scene): Promise<void> {
  all.run('ip', 'link', 'add', 'ifb0', 'up', 'type', 'ifb');
  all.run('tc', 'qdisc', 'add', 'dev', 'v0', 'ingress');
  const mirred = 'protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0';
  all.run('tc', 'filter', 'add', 'dev', 'v0', 'parent', 'ffff:', ...mirred.split(' '));
}

/** Frames that went through the ifb. */
function throughIfb({ all }: Scene): number {
  const told = all.json('ip', '-j', '-s', 'link', 'show', 'dev', 'ifb0') as { stats64?: { tx: { packets: number } } }[];
  return told[0]?.stats64?.tx.packets ?? 0;
}

/** Where the kernel has no tcx, asking for it is refused, and what others have stays. */
async function expectNoTcx(stage: Scene): Promise<void> {
  const before = foreign(stage.sys, stage.all);
  await expect(attachOurs(stage, 'tcx')).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  expect(foreign(stage.sys, stage.all)).toEqual(before);
}

describeWith([root, tool('ip'), tool('tc'), tool('bpftool'), tool('sysctl')], 'attach beside others', () => {
  const ways = DIRECTIONS.flatMap((direction) =>
    (['tcx', 'clsact'] as const).flatMap((mode) =>
      (['before', 'after'] as const).map((when) => ({ direction, mode, when })),
    ),
  );
  test.each(ways)(
    '$direction by $mode, filters and programs of others made $when ours: all stay as they were',
    async ({ direction, mode, when }) => {
      const stage = await scene(direction);
      const { sys, all, tracer, newer, except } = stage;
      if (mode === 'tcx' && lacksTcx(sys)) {
        await sharers(stage);
        await expectNoTcx(stage);
        return;
      }
      if (when === 'before') await sharers(stage);
      const empty = foreign(sys, all);
      const attachment = await attachOurs(stage, mode);
      if (when === 'after') await sharers(stage);
      const theirs = when === 'before' ? empty : foreign(sys, all, except);
      expect(foreign(sys, all, except)).toEqual(theirs);
      expect(theirs.net.filter(({ kind }) => kind === `clsact/${direction}`)).toHaveLength(2);

      const from = direction === 'ingress' ? 3 : 2;
      const others = lacksTcx(sys) ? [1] : [1, 2];
      expect((await tracer.frame(all, from)).toSorted()).toEqual([...others, 3]);
      await attachment.update(newer);
      expect((await tracer.frame(all, from)).toSorted()).toEqual([...others, 4]);
      expect(foreign(sys, all, except)).toEqual(theirs);
      await attachment.detach();
      expect(foreign(sys, all)).toEqual(theirs);
      expect((await tracer.frame(all, from)).toSorted()).toEqual(others);
    },
  );

  test.each([
    { mode: 'clsact', when: 'before' },
    { mode: 'tcx', when: 'before' },
    { mode: 'tcx', when: 'after' },
  ] as const)('the CNI plugin bandwidth $when ours by $mode: both see the packets', async ({ mode, when }) => {
    const stage = await scene('ingress');
    const { sys, all, tracer, newer, except } = stage;
    if (mode === 'tcx' && lacksTcx(sys)) {
      await bandwidth(stage);
      await expectNoTcx(stage);
      return;
    }
    if (when === 'before') await bandwidth(stage);
    const attachment = await attachOurs(stage, mode);
    if (when === 'after') await bandwidth(stage);
    const theirs = foreign(sys, all, except);
    expect(theirs.qdiscs).toContain('ingress ffff:');
    expect(theirs.filters).toEqual(expect.arrayContaining([expect.stringContaining('mirred')]));
    expect(await tracer.frame(all, 3)).toEqual([3]);
    await attachment.update(newer);
    expect(await tracer.frame(all, 3)).toEqual([4]);
    expect(throughIfb(stage)).toBe(2);
    await attachment.detach();
    expect(foreign(sys, all)).toEqual(theirs);
    expect(await tracer.frame(all, 3)).toEqual([]);
    expect(throughIfb(stage)).toBe(3);
  });

  test('the qdisc of bandwidth takes no egress filters: that is refused, and nothing changed', async () => {
    const stage = await scene('egress');
    await bandwidth(stage);
    const before = foreign(stage.sys, stage.all);
    await expect(attachOurs(stage, 'clsact')).rejects.toMatchObject({ code: 'ERR_INCOMPATIBLE' });
    expect(foreign(stage.sys, stage.all)).toEqual(before);
  });

  test('one who wants an ingress qdisc where we made clsact is refused by the kernel, and ours goes on', async () => {
    const stage = await scene('ingress');
    const { all, tracer } = stage;
    const attachment = await attachOurs(stage, 'clsact');
    await expect(bandwidth(stage)).rejects.toThrow(/Exclusivity flag on/);
    expect(await tracer.frame(all, 3)).toEqual([3]);
    await attachment.detach();
    all.run('ip', 'link', 'del', 'ifb0');
    await bandwidth(stage);
    expect(await tracer.frame(all, 3)).toEqual([]);
    expect(throughIfb(stage)).toBe(1);
  });

  /** Attaches in a process of its own, by clsact and as `auto` does, and kills it. */
  async function dieAttached({ all, direction }: Scene): Promise<void> {
    const script = new URL('../../test/dies.ts', import.meta.url).pathname;
    const args = ['--conditions=@ambient/source', '--import', 'tsx', script];
    const child = spawn(process.execPath, [...args, `/proc/${process.pid}/fd/${all.netns.fd}`, direction], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    expect(bpftoolNet(all).map(({ kind, name }) => `${kind} ${name}`)).toContain(`clsact/${direction} dying`);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  test.each([
    { direction: 'ingress', others: sharers, who: 'who share' },
    { direction: 'egress', others: sharers, who: 'who share' },
    { direction: 'ingress', others: bandwidth, who: 'as bandwidth is' },
  ] as const)('a process that dies in between leaves others $who on $direction as they were', async (way) => {
    const stage = await scene(way.direction);
    const { sys, all, direction } = stage;
    await way.others(stage);
    const before = foreign(sys, all);
    await dieAttached(stage);
    const filters = await all.socket.request(listFilters({ device: 2, parent: direction }));
    const left = filters.filter(({ options }) => (options as { name?: string }).name === 'dying');
    // A tcx link ends with the process that held it; filters stay until someone takes them away.
    expect(left).toHaveLength(lacksTcx(sys) ? 2 : 1);
    await all.socket.batch(left.map(deleteFilter));
    await expect.poll(() => foreign(sys, all), { timeout: 5000 }).toEqual(before);
  });
});
