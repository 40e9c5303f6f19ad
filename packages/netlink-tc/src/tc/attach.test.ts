import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { silentPair, Tracer } from '../../test/hook.ts';
import { lacksTcx } from '../../test/kernel.ts';
import type { TestNetns } from '../../test/netns.ts';
import { closing, testSys } from '../../test/sys.ts';
import type { BpfProgram } from '../bpf/index.ts';
import type { Sys } from '../sys/index.ts';
import { TC_ACT } from './action.ts';
import { attach, type AttachOptions } from './attach.ts';
import { addFilter, deleteFilter, listFilters, replaceFilter } from './filter.ts';
import { getQdisc } from './qdisc.ts';

const { UNSPEC } = TC_ACT;

describeWith([root, tool('ip'), tool('tc'), tool('bpftool'), tool('sysctl')], 'attach', () => {
  const options = (all: TestNetns, more: Partial<AttachOptions> = {}): AttachOptions => ({
    device: 2,
    direction: 'ingress',
    netns: all.netns,
    name: 'ours',
    ...more,
  });

  test('auto takes tcx where the kernel has it, and else a filter of clsact', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const program = new Tracer(sys).program(1, UNSPEC);
    const attachment = await attach(sys, all.socket, program, options(all));
    expect(attachment.mode).toBe(lacksTcx(sys) ? 'clsact' : 'tcx');
    // A kernel without tcx: BPF_LINK_CREATE and BPF_PROG_QUERY of its hooks are EINVAL, as on 6.1.
    const old: Sys = {
      ...sys,
      bpf: (command, attr) => (command === 28 || command === 16 ? -22 : sys.bpf(command, attr)),
    };
    const second = await attach(old, all.socket, program, options(all, { name: 'second' }));
    expect(second.mode).toBe('clsact');
    expect(second.filter).toMatchObject({ kind: 'bpf', options: { name: 'second' } });
    await second.detach();
    await attachment.detach();
    await expectNoTcx(old, all, program);
  });

  /** Asks for tcx by name where there is none: it is refused with words, and the link is left as it is. */
  async function expectNoTcx(sys: Sys, all: TestNetns, program: BpfProgram): Promise<void> {
    const stock = (): string => all.run('tc', 'qdisc', 'show', 'dev', 'v0');
    const before = stock();
    await expect(attach(sys, all.socket, program, options(all, { mode: 'tcx' }))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      hint: 'tcx is of Linux 6.6: use a filter of clsact',
    });
    expect(stock()).toEqual(before);
    expect(before).not.toContain('clsact');
  }

  test('tcx: first, last, beside another', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const tracer = new Tracer(sys);
    if (lacksTcx(sys)) {
      await expectNoTcx(sys, all, tracer.program(1, UNSPEC));
      return;
    }
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
});
