import { exit, mov64 } from 'bpf-asm';
import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testNetns, type TestNetns } from '../../test/netns.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { loadProgram } from '../bpf/index.ts';
import { addLink, setLink } from '../rtnl/index.ts';
import type { Sys } from '../sys/index.ts';
import { decide, redirectTo, type ActionOptions, type MirredParameters } from './action.ts';
import { addFilter, deleteFilter, ETH_P, getFilter, listFilters, replaceFilter } from './filter.ts';
import { formatHandle, handleNumber, type Handle } from './handle.ts';
import { tbf, U32_ALL, type BpfFilterOptions } from './options.ts';
import { formatFilter } from './print.ts';
import { addQdisc, deleteQdisc, getQdisc, listQdiscs, replaceQdisc, type QdiscSpec } from './qdisc.ts';

test.each<[Handle, number, string]>([
  ['1:', 0x10000, '1:'],
  ['1:10', 0x10010, '1:10'],
  ['ffff:fff1', 0xffff_fff1, 'ffff:fff1'],
  ['root', 0xffff_ffff, 'root'],
  ['egress', 0xffff_fff3, 'ffff:fff3'],
  [0x2000a, 0x2000a, '2:a'],
])('the handle %s', (handle, number, text) => {
  expect(handleNumber(handle)).toBe(number);
  expect(formatHandle(number)).toBe(text);
});

test.each(['1', 'x:1', '12345:', ':', -1, 2 ** 32, 1.5])('%j is no handle', (handle) => {
  expect(() => handleNumber(handle as Handle)).toThrow(/is no handle/);
});

test('filters of no priority there is are refused before anything is sent', () => {
  expect(() => addFilter({ device: 1, parent: 'ingress', kind: 'bpf', priority: 70_000 })).toThrow(/no priority/);
});

/** A namespace with `v0` (index 2) and `v1` (index 3), both up. */
export async function pair(sys: Sys): Promise<TestNetns> {
  const all = testNetns(sys);
  await all.socket.batch([
    addLink({ kind: 'veth', name: 'v0', index: 2, peer: { name: 'v1', index: 3 } }),
    setLink('v0', { up: true }),
    setLink('v1', { up: true }),
  ]);
  return all;
}

describeWith([root, tool('ip'), tool('tc')], 'tc of the kernel', () => {
  test('qdiscs, both ways', async () => {
    const { socket, json, run } = await pair(await testSys());
    const [clsact, bucket] = await socket.batch([
      addQdisc({ device: 2, kind: 'clsact' }),
      addQdisc({ device: 2, kind: 'tbf', handle: '1:', options: tbf({ rate: 125_000, burst: 10_000, limit: 30_000 }) }),
    ]);
    expect(clsact).toMatchObject({ device: 2, kind: 'clsact', handle: 0xffff_0000, parent: 0xffff_fff1 });
    expect(bucket).toMatchObject({ kind: 'tbf', handle: 0x10000 });
    run('tc', 'qdisc', 'add', 'dev', 'v1', 'root', 'handle', '5:', 'pfifo', 'limit', '77');
    run('tc', 'qdisc', 'add', 'dev', 'v1', 'ingress');
    const told = json('tc', '-j', 'qdisc', 'show');
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'clsact', dev: 'v0', parent: 'ffff:fff1' }),
        expect.objectContaining({
          kind: 'tbf',
          handle: '1:',
          options: expect.objectContaining({
            rate: 125_000,
            burst: 10_000,
            lat: expect.anything() as unknown,
          }) as unknown,
        }),
      ]),
    );
    const ours = await socket.request(listQdiscs());
    const seen = ours.map(({ device, kind, handle }) => `${device} ${kind} ${formatHandle(handle)}`);
    const theirs = told.map(
      (each) =>
        `${each['dev'] === 'v0' ? 2 : each['dev'] === 'v1' ? 3 : 1} ${String(each['kind'])} ${String(each['handle'])}`,
    );
    expect(seen.filter((each) => !each.startsWith('1 '))).toEqual(theirs.filter((each) => !each.startsWith('1 ')));
    expect(ours.find(({ kind }) => kind === 'pfifo')?.options).toEqual({ limit: 77 });
    expect(await socket.request(getQdisc(3, 'clsact'))).toMatchObject({ kind: 'ingress' });
    expect((await socket.request(listQdiscs({ device: 3 }))).map(({ kind }) => kind).toSorted()).toEqual([
      'ingress',
      'pfifo',
    ]);

    await expect(socket.request(addQdisc({ device: 3, kind: 'clsact' }))).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      kernelMessage: 'Exclusivity flag on, cannot modify',
    });
    await expect(socket.request(addQdisc({ device: 1, kind: 'no-such' }))).rejects.toMatchObject({
      kernelMessage: expect.stringContaining('qdisc kind is unknown') as string,
    });
    await socket.request(replaceQdisc({ device: 3, kind: 'pfifo', handle: '6:', options: { limit: 5 } }));
    expect(await socket.request(getQdisc(3, 'root'))).toMatchObject({ kind: 'pfifo', options: { limit: 5 } });
    await socket.request(replaceQdisc({ device: 3, kind: 'noqueue' }));
    expect(json('tc', '-j', 'qdisc', 'show', 'dev', 'v1')).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'noqueue' })]),
    );
    await socket.batch([deleteQdisc({ device: 2, parent: 'root' }), deleteQdisc({ device: 2, parent: 'clsact' })]);
    await expect(socket.request(getQdisc(2, 'clsact'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  // Kernels differ in these: either it is there as tc tells it, or the kernel's refusal is.
  test.each<QdiscSpec>([
    { device: 2, kind: 'fq', handle: '7:', options: { limit: 50, quantum: 3000 } } as QdiscSpec,
    {
      device: 2,
      kind: 'prio',
      handle: '7:',
      options: { bands: 3, priomap: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] },
    } as unknown as QdiscSpec,
  ])('$kind is made as asked, or refused with the words of the kernel', async (spec) => {
    const { socket, json } = await pair(await testSys());
    const [result] = await Promise.allSettled([socket.request(addQdisc(spec))]);
    const outcome: unknown =
      result?.status === 'fulfilled'
        ? { ...result.value, told: json('tc', '-j', 'qdisc', 'show', 'dev', 'v0')[0]?.['kind'] }
        : result?.reason;
    const expected =
      result?.status === 'fulfilled'
        ? { options: spec.options, told: spec.kind }
        : { kernelMessage: 'Specified qdisc kind is unknown' };
    expect(outcome).toMatchObject(expected);
  });

  test('bpf filters: handle and priority told back, replaced in place, listed in the order they run', async () => {
    const sys = await testSys();
    const { socket, run, json } = await pair(sys);
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

  test('u32 with mirred, both ways; matchall as the kernel has it', async () => {
    const { socket, run, json } = await pair(await testSys());
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

    const all = addFilter({
      device: 3,
      parent: 'ingress',
      kind: 'matchall',
      priority: 3,
      options: { actions: [redirectTo(2)] },
    });
    const [result] = await Promise.allSettled([socket.request(all)]);
    const outcome: unknown =
      result?.status === 'fulfilled'
        ? json('tc', '-j', 'filter', 'show', 'dev', 'v1', 'ingress').at(-1)
        : result?.reason;
    expect(outcome).toMatchObject(
      result?.status === 'fulfilled' ? { kind: 'matchall', pref: 3 } : { kernelMessage: 'TC classifier not found' },
    );
    expect(decide(2)).toMatchObject({ kind: 'gact', options: { parameters: { action: 2 } } });
  });
});
