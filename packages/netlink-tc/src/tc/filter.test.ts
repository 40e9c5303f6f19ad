import { exit, mov64 } from 'bpf-asm';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { expectLacking, testPair, toolCan } from '../../test/netns.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { ensureBpffs, findBpffs, loadProgram, pin, readProgramInfo, unpin } from '../bpf/index.ts';
import { walkAttributes } from '../netlink/index.ts';
import { decide, redirectTo, type ActionOptions, type MirredParameters } from './action.ts';
import { addFilter, deleteFilter, ETH_P, getFilter, listFilters, replaceFilter } from './filter.ts';
import { U32_ALL, type BpfFilterOptions } from './options.ts';
import { formatFilter } from './print.ts';
import { addQdisc } from './qdisc.ts';

test('filters of no priority there is are refused before anything is sent', () => {
  expect(() => addFilter({ device: 1, parent: 'ingress', kind: 'bpf', priority: 70_000 })).toThrow(/no priority/);
});

describeWith([root, tool('ip'), tool('tc')], 'filters of the kernel', () => {
  test('bpf filters: handle and priority told back, replaced in place, listed in the order they run', async () => {
    const sys = await testSys();
    const { socket, run, json } = await testPair(sys);
    const program = closing(loadProgram(sys, programOf([mov64('r0', -1), exit()], { name: 'next' })));
    await socket.request(addQdisc({ device: 2, kind: 'clsact' }));
    const options = { fd: program.fd, name: 'mine', flags: 1 };
    const where = { device: 2, parent: 'ingress', kind: 'bpf' } as const;
    const chosen = await socket.request(addFilter({ ...where, options }));
    expect(chosen).toMatchObject({ handle: 1, chain: 0, protocol: ETH_P.ALL });
    expect(chosen.priority).toBeGreaterThan(0xbfff);
    const fixed = await socket.request(addFilter({ ...where, priority: 7, handle: 9, protocol: ETH_P.IP, options }));
    expect(fixed).toMatchObject({ priority: 7, handle: 9, protocol: ETH_P.IP });
    const second = await socket.request(
      addFilter({ ...where, priority: 7, protocol: ETH_P.IP, options: { ...options, name: 'younger' } }),
    );
    const other = await socket.request(addFilter({ ...where, parent: 'egress', priority: 1, options }));

    const shown = run('tc', 'filter', 'show', 'dev', 'v0', 'ingress');
    const ours = await socket.request(listFilters({ device: 2, parent: 'ingress' }));
    for (const filter of ours) expect(shown).toContain(formatFilter(filter));
    expect(ours.map(({ options: each }) => (each as BpfFilterOptions).name)).toEqual(['younger', 'mine', 'mine']);
    expect(json('tc', '-j', 'filter', 'show', 'dev', 'v0', 'egress').at(-1)).toMatchObject({
      pref: 1,
      options: { bpf_name: 'mine' },
    });

    await expect(
      socket.request(addFilter({ ...where, priority: 7, handle: 9, protocol: ETH_P.IP, options })),
    ).rejects.toMatchObject({ code: 'ERR_EXISTS' });
    const replaced = await socket.request(
      replaceFilter({ ...where, priority: 7, handle: 9, protocol: ETH_P.IP, options: { ...options, name: 'renamed' } }),
    );
    expect(replaced).toMatchObject({ handle: 9, options: { name: 'renamed' } });
    expect(await socket.request(listFilters({ device: 2, parent: 'ingress' }))).toHaveLength(3);
    await socket.batch([deleteFilter(second), deleteFilter(chosen), deleteFilter(other)]);
    expect(await socket.request(listFilters({ device: 2, parent: 'ingress' }))).toMatchObject([{ handle: 9 }]);
    await expect(socket.request(getFilter(chosen))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(socket.request(addFilter({ ...where, device: 3, options }))).rejects.toMatchObject({
      kernelMessage: expect.stringMatching(/Parent Qdisc|Cannot find/) as string,
    });
    await expect(socket.request(addFilter({ ...where, options: { ...options, fd: 0 } }))).rejects.toMatchObject({
      errno: 22,
    });
  });

  test('u32 with mirred, both ways', async () => {
    const { socket, run, json } = await testPair(await testSys());
    await socket.batch([addQdisc({ device: 2, kind: 'ingress' }), addQdisc({ device: 3, kind: 'clsact' })]);
    await socket.request(
      addFilter({
        device: 2,
        parent: 'ingress',
        kind: 'u32',
        priority: 1,
        options: { selector: U32_ALL, actions: [redirectTo(3)] },
      }),
    );
    const told = json('tc', '-j', 'filter', 'show', 'dev', 'v0', 'ingress').at(-1);
    expect(told).toMatchObject({
      kind: 'u32',
      options: {
        actions: [
          {
            kind: 'mirred',
            mirred_action: 'redirect',
            direction: 'egress',
            to_dev: 'v1',
            control_action: { type: 'stolen' },
          },
        ],
      },
    });
    run(
      'tc',
      'filter',
      'add',
      'dev',
      'v1',
      'egress',
      'protocol',
      'ip',
      'pref',
      '9',
      'u32',
      'match',
      'ip',
      'dst',
      '10.0.0.1/32',
      'action',
      'mirred',
      'egress',
      'mirror',
      'dev',
      'v0',
    );
    const filters = await socket.request(listFilters({ device: 3, parent: 'egress' }));
    const rule = filters.find(({ options }) => (options as { selector?: unknown }).selector !== undefined);
    expect(rule).toMatchObject({
      kind: 'u32',
      priority: 9,
      protocol: ETH_P.IP,
      options: { selector: { keys: [{ mask: 0xffffffff, value: 0x0a000001, offset: 16 }] } },
    });
    const actions = (rule?.options as { actions: { options: ActionOptions<MirredParameters> }[] } | undefined)?.actions;
    expect(actions?.[0]?.options.parameters).toMatchObject({ eaction: 2, ifindex: 2, action: 3 });

    expect(decide(2)).toMatchObject({ kind: 'gact', options: { parameters: { action: 2 } } });
  });

  test('matchall with mirred, both ways, or refused both ways where the kernel has none', async () => {
    const { socket, run, json } = await testPair(await testSys());
    await socket.batch([addQdisc({ device: 2, kind: 'clsact' }), addQdisc({ device: 3, kind: 'clsact' })]);
    const actions = [redirectTo(2)];
    const ours = addFilter({ device: 3, parent: 'ingress', kind: 'matchall', priority: 3, options: { actions } });
    const words = 'filter add dev v0 egress pref 4 matchall action mirred egress mirror dev v1';
    const lacking = /classifier not found|TC classifier/;
    if (!toolCan(() => run('tc', ...words.split(' ')), lacking)) {
      await expectLacking(socket.request(ours), lacking);
      return;
    }
    const [theirs] = await socket.request(listFilters({ device: 2, parent: 'egress' }));
    expect(theirs).toMatchObject({
      kind: 'matchall',
      priority: 4,
      options: { actions: [{ kind: 'mirred', options: { parameters: { eaction: 2, ifindex: 3 } } }] },
    });
    await socket.request(ours);
    expect(json('tc', '-j', 'filter', 'show', 'dev', 'v1', 'ingress').at(-1)).toMatchObject({
      kind: 'matchall',
      pref: 3,
      options: { actions: [{ kind: 'mirred', mirred_action: 'redirect', to_dev: 'v0' }] },
    });
  });

  test('a kind without a table by the numbers of its attributes, both ways, or refused where the kernel has none', async () => {
    const { socket, run, json } = await testPair(await testSys());
    await socket.batch([addQdisc({ device: 2, kind: 'clsact' }), addQdisc({ device: 3, kind: 'clsact' })]);
    const TCA_BASIC_CLASSID = 1;
    const unknown = [{ type: TCA_BASIC_CLASSID, data: new Uint8Array(Uint32Array.of(0x10002).buffer) }];
    const ours = addFilter({ device: 3, parent: 'egress', kind: 'basic', priority: 3, options: { unknown } });
    const words = 'filter add dev v0 egress protocol all pref 4 basic classid 1:2';
    const lacking = /classifier not found/;
    if (!toolCan(() => run('tc', ...words.split(' ')), lacking)) {
      await expectLacking(socket.request(ours), lacking);
      return;
    }
    await socket.request(ours);
    expect(json('tc', '-j', 'filter', 'show', 'dev', 'v1', 'egress').at(-1)).toMatchObject({
      kind: 'basic',
      pref: 3,
      options: { flowid: '1:2' },
    });
    const [theirs] = await socket.request(listFilters({ device: 2, parent: 'egress' }));
    expect(theirs).toMatchObject({ kind: 'basic', priority: 4 });
    // tc adds an empty tree of matches, and the kernel its counters.
    expect([...walkAttributes(theirs?.options as Uint8Array)]).toContainEqual(
      expect.objectContaining(unknown[0] ?? {}),
    );
  });

  test('a bpf filter that tc made of a pinned program', async () => {
    const sys = await testSys();
    const { socket, run } = await testPair(sys);
    const program = closing(loadProgram(sys, programOf([mov64('r0', -1), exit()], { name: 'pinned' })));
    const mount = findBpffs()[0] ?? '/sys/fs/bpf';
    ensureBpffs(sys, mount);
    const path = `${mount}/netlink_tc_filter_${process.pid}`;
    pin(sys, program, path);
    onTestFinished(() => void unpin(path));
    run('tc', 'qdisc', 'add', 'dev', 'v0', 'clsact');
    const words = 'filter add dev v0 egress pref 5 handle 6 bpf direct-action object-pinned';
    run('tc', ...words.split(' '), path);
    const { id, tag } = readProgramInfo(sys, program.fd);
    const [filter] = await socket.request(listFilters({ device: 2, parent: 'egress' }));
    expect(filter).toMatchObject({
      kind: 'bpf',
      priority: 5,
      handle: 6,
      protocol: ETH_P.ALL,
      options: { id, flags: 1 },
    });
    const told = filter?.options as BpfFilterOptions | undefined;
    expect(Buffer.from(told?.tag ?? []).toString('hex')).toBe(tag);
  });
});
