import { spawn } from 'node:child_process';
import { exit, mov64 } from 'bpf-asm';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { silentPair, Tracer } from '../../test/hook.ts';
import type { TestNetns } from '../../test/netns.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { attachTcx, loadProgram, queryHook, type Direction } from '../bpf/index.ts';
import type { Sys } from '../sys/index.ts';
import { TC_ACT } from './action.ts';
import { attach, type AttachOptions } from './attach.ts';
import { addFilter, deleteFilter, listFilters, replaceFilter } from './filter.ts';
import { addQdisc, getQdisc } from './qdisc.ts';

const { UNSPEC } = TC_ACT;

describeWith([root, tool('ip'), tool('tc'), tool('bpftool'), tool('sysctl')], 'attach', () => {
  /** All that others have on a link, as the tools and the kernel tell it. */
  function foreign(all: TestNetns, not: (text: string) => boolean = () => false): unknown {
    const lines = (['ingress', 'egress'] as const).flatMap((side) =>
      all.run('tc', 'filter', 'show', 'dev', 'v0', side).split('\n'),
    );
    return {
      qdiscs: all.run('tc', 'qdisc', 'show', 'dev', 'v0'),
      filters: lines.filter((line) => /^filter.*handle|action/.test(line) && !not(line)),
      net: all.json('bpftool', '-j', 'net').length,
    };
  }
  const options = (all: TestNetns, more: Partial<AttachOptions> = {}): AttachOptions => ({
    device: 2,
    direction: 'ingress',
    netns: all.netns,
    name: 'ours',
    ...more,
  });

  test('auto takes tcx; where the kernel refuses it, a filter of clsact', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const program = new Tracer(sys).program(1, UNSPEC);
    const first = await attach(sys, all.socket, program, options(all));
    // A kernel without tcx: BPF_LINK_CREATE and BPF_PROG_QUERY of its hooks are EINVAL, as on 6.1.
    const old: Sys = {
      ...sys,
      bpf: (command, attr) => (command === 28 || command === 16 ? -22 : sys.bpf(command, attr)),
    };
    const second = await attach(old, all.socket, program, options(all));
    expect(second.mode).toBe('clsact');
    expect(second.filter).toMatchObject({ kind: 'bpf', options: { name: 'ours' } });
    await second.detach();
    await first.detach();
    await expect(attach(old, all.socket, program, options(all, { mode: 'tcx' }))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
    expect(all.run('tc', 'qdisc', 'show', 'dev', 'v0')).not.toContain('clsact');
  });

  const ways = (['ingress', 'egress'] as const).flatMap((direction) =>
    (['tcx', 'clsact'] as const).map((mode) => ({ direction, mode })),
  );
  test.each(ways)(
    '$direction by $mode: attach, update and detach leave what others have as it was',
    async ({ direction, mode }) => {
      const sys = await testSys();
      const all = await silentPair(sys);
      const tracer = new Tracer(sys);
      const [theirs, theirTcx] = [tracer.program(1, UNSPEC), tracer.program(2, UNSPEC)];
      const [ours, newer] = [tracer.program(3, UNSPEC), tracer.program(4, UNSPEC)];
      // Others have a qdisc with a filter before and one behind ours, and a program on tcx.
      await all.socket.request(addQdisc({ device: 2, kind: 'clsact' }));
      for (const priority of [1, 100]) {
        await all.socket.request(
          addFilter({
            device: 2,
            parent: direction,
            kind: 'bpf',
            priority,
            options: { fd: theirs.fd, name: `theirs${priority}`, flags: 1 },
          }),
        );
      }
      const link = closing(all.netns.run(() => attachTcx(sys, theirTcx, 2, direction)));
      const before = foreign(all);
      const from = direction === 'ingress' ? 3 : 2;
      expect(await tracer.frame(all, from)).toEqual([2, 1]);

      const attachment = await attach(
        sys,
        all.socket,
        ours,
        options(all, { direction, mode, priority: 50, handle: 7 }),
      );
      const not = (line: string): boolean => line.includes('ours');
      const withoutNet = (value: unknown): unknown => ({ ...(value as object), net: 0 });
      expect(withoutNet(foreign(all, not))).toEqual(withoutNet(before));
      expect((await tracer.frame(all, from)).toSorted()).toEqual([1, 2, 3]);
      await attachment.update(newer);
      expect((await tracer.frame(all, from)).toSorted()).toEqual([1, 2, 4]);
      expect(withoutNet(foreign(all, not))).toEqual(withoutNet(before));
      await attachment.detach();
      expect(foreign(all)).toEqual(before);
      expect(link.info().programId).toBeGreaterThan(0);
      expect(await tracer.frame(all, from)).toEqual([2, 1]);
      attachment.close();
    },
  );

  test('tcx: first, last, beside another', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const tracer = new Tracer(sys);
    const [one, two, three, four] = [
      tracer.program(1, UNSPEC),
      tracer.program(2, UNSPEC),
      tracer.program(3, UNSPEC),
      tracer.program(4, UNSPEC),
    ];
    const middle = closing(await attach(sys, all.socket, one, options(all)));
    closing(await attach(sys, all.socket, two, options(all, { order: 'head' })));
    closing(await attach(sys, all.socket, three, options(all, { order: 'tail' })));
    if (middle.link === undefined) throw new Error('no link');
    closing(await attach(sys, all.socket, four, options(all, { order: { before: { link: middle.link } } })));
    expect(await tracer.frame(all, 3)).toEqual([2, 4, 1, 3]);
    await expect(attach(sys, all.socket, one, options(all))).rejects.toMatchObject({ code: 'ERR_EXISTS' });
  });

  test('the ingress qdisc of the CNI plugin bandwidth is used and left in peace; it takes no egress', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const program = new Tracer(sys).program(1, UNSPEC);
    all.run('ip', 'link', 'add', 'ifb0', 'type', 'ifb');
    all.run('tc', 'qdisc', 'add', 'dev', 'v0', 'ingress');
    all.run(
      'tc',
      'filter',
      'add',
      'dev',
      'v0',
      'parent',
      'ffff:',
      'protocol',
      'all',
      'u32',
      'match',
      'u32',
      '0',
      '0',
      'action',
      'mirred',
      'egress',
      'redirect',
      'dev',
      'ifb0',
    );
    const before = foreign(all);
    const attachment = await attach(sys, all.socket, program, options(all, { mode: 'clsact', priority: 1 }));
    expect(all.run('tc', 'filter', 'show', 'dev', 'v0', 'parent', 'ffff:')).toMatch(/ours[^]*mirred/);
    await expect(
      attach(sys, all.socket, program, options(all, { mode: 'clsact', direction: 'egress' })),
    ).rejects.toMatchObject({ code: 'ERR_INCOMPATIBLE' });
    await attachment.detach();
    expect(foreign(all)).toEqual(before);
  });

  test('a clsact that we made goes with us, unless others use it by then', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const program = new Tracer(sys).program(1, UNSPEC);
    const alone = await attach(sys, all.socket, program, options(all, { mode: 'clsact' }));
    await alone.detach();
    await expect(all.socket.request(getQdisc(2, 'clsact'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const shared = await attach(sys, all.socket, program, options(all, { mode: 'clsact' }));
    await all.socket.request(
      addFilter({ device: 2, parent: 'egress', kind: 'bpf', options: { fd: program.fd, name: 'theirs', flags: 1 } }),
    );
    await shared.detach();
    expect(await all.socket.request(getQdisc(2, 'clsact'))).toMatchObject({ kind: 'clsact' });
    expect(await all.socket.request(listFilters({ device: 2, parent: 'egress' }))).toHaveLength(1);
    expect(await all.socket.request(listFilters({ device: 2, parent: 'ingress' }))).toEqual([]);
  });

  test('a filter that others put in our place, or took away, is left alone', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const tracer = new Tracer(sys);
    const [ours, theirs] = [tracer.program(1, UNSPEC), tracer.program(2, UNSPEC)];
    const attachment = await attach(sys, all.socket, ours, options(all, { mode: 'clsact', priority: 1, handle: 1 }));
    const { filter } = attachment;
    if (filter === undefined) throw new Error('no filter');
    await all.socket.request(
      replaceFilter({ ...filter, kind: 'bpf', options: { fd: theirs.fd, name: 'theirs', flags: 1 } }),
    );
    await expect(attachment.update(ours)).rejects.toMatchObject({ code: 'ERR_STALE' });
    await attachment.detach();
    expect(await all.socket.request(listFilters({ device: 2, parent: 'ingress' }))).toMatchObject([
      { options: { name: 'theirs' } },
    ]);
    await all.socket.request(deleteFilter(filter));
    await attachment.detach();
    expect(await all.socket.request(getQdisc(2, 'clsact'))).toMatchObject({ kind: 'clsact' });
  });

  const directions: readonly Direction[] = ['ingress', 'egress'];
  test.each(directions)('a process that dies in between leaves what others have on %s as it was', async (direction) => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const theirs = closing(loadProgram(sys, programOf([mov64('r0', UNSPEC), exit()], { name: 'theirs' })));
    await all.socket.request(addQdisc({ device: 2, kind: 'clsact' }));
    await all.socket.request(
      addFilter({
        device: 2,
        parent: direction,
        kind: 'bpf',
        priority: 1,
        handle: 1,
        options: { fd: theirs.fd, name: 'theirs', flags: 1 },
      }),
    );
    const link = closing(all.netns.run(() => attachTcx(sys, theirs, 2, direction)));
    const before = foreign(all);
    const child = spawn(
      process.execPath,
      [
        '--conditions=@ambient/source',
        '--import',
        'tsx',
        new URL('../../test/dies.ts', import.meta.url).pathname,
        `/proc/${process.pid}/fd/${all.netns.fd}`,
        direction,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    expect(all.run('tc', 'filter', 'show', 'dev', 'v0', direction)).toContain('dying');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const filters = await all.socket.request(listFilters({ device: 2, parent: direction }));
    const left = filters.filter(({ options: each }) => (each as { name?: string }).name === 'dying');
    expect(left).toHaveLength(1);
    await all.socket.batch(left.map(deleteFilter));
    expect(foreign(all)).toEqual(before);
    const query = (): unknown => queryHook(sys, { target: 2, attachType: `tcx_${direction}` }).entries;
    await expect
      .poll(() => all.netns.run(query), { timeout: 5000 })
      .toEqual([{ programId: link.info().programId, linkId: link.info().id }]);
  });
});
