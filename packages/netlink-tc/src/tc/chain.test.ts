import { call, exit, jeq, label, ldxw, mov64 } from 'bpf-asm';
import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { bpftoolKnowsTcx, bpftoolNet, sorted } from '../../test/foreign.ts';
import { silentPair, Tracer } from '../../test/hook.ts';
import { lacksTcx } from '../../test/kernel.ts';
import type { TestNetns } from '../../test/netns.ts';
import { testSys } from '../../test/sys.ts';
import type { BpfProgram, Direction } from '../bpf/index.ts';
import type { Sys } from '../sys/index.ts';
import { TC_ACT } from './action.ts';
import { attach } from './attach.ts';
import { chain, type HookChain } from './chain.ts';
import type { BpfFilterOptions } from './options.ts';
import { formatChain } from './print.ts';

const { OK, PIPE, SHOT, UNSPEC, STOLEN } = TC_ACT;

/** The names of the programs that a frame meets for sure, by what the chain says. */
function predicted({ entries }: HookChain): number[] {
  expect(entries.map(({ reached }) => reached)).not.toContain('maybe');
  return entries.filter(({ reached }) => reached === 'always').map(({ program }) => Number(program?.name?.slice(1)));
}

/** One program of a hook: by which way it is attached, and what it returns. */
type Way = readonly ['tcx' | 'clsact', number];

// Programs are numbered from 1 as they stand here. Priorities in clsact are their numbers.
// prettier-ignore
const cases: [string, readonly Way[], readonly number[], HookChain['passes']][] = [
  ['OK ends clsact: the second never runs', [['clsact', OK], ['clsact', OK]], [1], 'always'],
  ['PIPE goes on in clsact', [['clsact', PIPE], ['clsact', PIPE]], [1, 2], 'always'],
  ['UNSPEC goes on in clsact', [['clsact', UNSPEC], ['clsact', UNSPEC]], [1, 2], 'always'],
  ['PIPE then OK then anything', [['clsact', PIPE], ['clsact', OK], ['clsact', UNSPEC]], [1, 2], 'always'],
  ['SHOT drops', [['clsact', SHOT], ['clsact', OK]], [1], 'never'],
  ['STOLEN takes it away', [['clsact', STOLEN], ['clsact', OK]], [1], 'never'],
  ['OK ends tcx', [['tcx', OK], ['tcx', OK]], [1], 'always'],
  ['PIPE is not "next" on tcx', [['tcx', PIPE], ['tcx', PIPE]], [1], 'always'],
  ['UNSPEC goes on in tcx', [['tcx', UNSPEC], ['tcx', UNSPEC]], [1, 2], 'always'],
  ['tcx is before clsact, whoever came first', [['clsact', UNSPEC], ['tcx', UNSPEC]], [2, 1], 'always'],
  ['OK on tcx hides clsact', [['tcx', OK], ['clsact', UNSPEC]], [1], 'always'],
  ['PIPE on tcx skips the rest of tcx, and clsact runs', [['tcx', PIPE], ['tcx', UNSPEC], ['clsact', OK]], [1, 3], 'always'],
];

describeWith([root, tool('ip'), tool('tc'), tool('bpftool'), tool('sysctl')], 'the chain of a hook', () => {
  const directions: Direction[] = ['ingress', 'egress'];
  test.each(
    directions.flatMap((direction) =>
      cases.map(([what, ways, runs, passes]) => [`${direction}: ${what}`, direction, ways, runs, passes] as const),
    ),
  )('%s', async (_what, direction, ways, runs, passes) => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const tracer = new Tracer(sys);
    if (ways.some(([mode]) => mode === 'tcx') && lacksTcx(sys)) {
      await expectNoTcx(sys, all, tracer.program(1, OK), direction);
      return;
    }
    for (const [index, [mode, code]] of ways.entries()) {
      const program = tracer.program(index + 1, code);
      const options = {
        device: 2,
        direction,
        netns: all.netns,
        mode,
        priority: index + 1,
        name: `filter${index + 1}`,
      };
      using attachment = await attach(sys, all.socket, program, options);
      // A link ends with its descriptor: it is to stay for the test.
      const { link } = attachment;
      if (link !== undefined) keep(sys.call('fcntl', link.fd, 1030, 0));
    }
    const told = await chain(sys, all.socket, { device: 2, direction, netns: all.netns });
    expect(predicted(told), formatChain(told)).toEqual(runs);
    expect(told.passes, formatChain(told)).toBe(passes);
    compareWithBpftool(all, told);
    expect(await tracer.frame(all, direction === 'ingress' ? 3 : 2)).toEqual(runs);
    for (const fd of kept.splice(0)) sys.call('close', fd);
  });
  /** Without tcx, asking for it is refused, and the chain is that of clsact alone. */
  async function expectNoTcx(sys: Sys, all: TestNetns, program: BpfProgram, direction: Direction): Promise<void> {
    const options = { device: 2, direction, netns: all.netns } as const;
    const byTcx = attach(sys, all.socket, program, { ...options, mode: 'tcx', name: 'x' });
    await expect(byTcx).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    expect(await chain(sys, all.socket, options)).toMatchObject({ entries: [], revision: undefined });
    const { mode } = await attach(sys, all.socket, program, { ...options, name: 'x' });
    expect(mode).toBe('clsact');
    const told = await chain(sys, all.socket, options);
    expect(told).toMatchObject({ entries: [{ layer: 'clsact', program: { name: 'p1' } }], revision: undefined });
    compareWithBpftool(all, told);
  }

  /** What the chain tells is what `bpftool net` tells: of each its device, layer, direction, name and program. */
  function compareWithBpftool(all: TestNetns, { entries, direction }: HookChain): void {
    const withTcx = bpftoolKnowsTcx(all);
    const told = entries
      .filter(({ layer }) => withTcx || layer === 'clsact')
      .map(({ layer, filter, program }) => ({
        device: 'v0',
        kind: `${layer}/${direction}`,
        name: filter === undefined ? program?.name : (filter.options as BpfFilterOptions).name,
        programId: program?.id,
      }));
    expect(bpftoolNet(all)).toEqual(sorted(told));
    // One that knows no tcx still knows its links.
    const links = all.json('bpftool', '-j', 'link').map((link) => `${String(link['id'])} ${String(link['prog_id'])}`);
    const ours = entries
      .filter(({ layer }) => layer === 'tcx')
      .map(({ linkId, program }) => `${linkId} ${program?.id}`);
    expect(links).toEqual(expect.arrayContaining(ours));
  }

  const kept: number[] = [];
  function keep(fd: number): void {
    expect(fd).toBeGreaterThan(0);
    kept.push(fd);
  }

  test('of one priority the youngest runs first', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const tracer = new Tracer(sys);
    for (const number of [1, 2, 3]) {
      await attach(sys, all.socket, tracer.program(number, UNSPEC), {
        device: 2,
        direction: 'ingress',
        netns: all.netns,
        mode: 'clsact',
        priority: 5,
        name: 'same',
      });
    }
    expect(predicted(await chain(sys, all.socket, { device: 2, direction: 'ingress', netns: all.netns }))).toEqual([
      3, 2, 1,
    ]);
    expect(await tracer.frame(all, 3)).toEqual([3, 2, 1]);
  });

  test('what is read from translated instructions: branches, helpers, tail calls; and who shadows whom', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const tracer = new Tracer(sys);
    const branch = [
      ldxw('r2', 'r6', 0),
      mov64('r0', UNSPEC),
      jeq('r2', 60, 'out'),
      mov64('r0', SHOT),
      label('out'),
      exit(),
    ];
    const redirect = [mov64('r1', 3), mov64('r2', 0), call(23), exit()];
    const either = [
      ldxw('r2', 'r6', 0),
      jeq('r2', 7, 'redirect'),
      mov64('r0', UNSPEC),
      exit(),
      label('redirect'),
      ...redirect,
    ];
    const unknown = [ldxw('r0', 'r6', 8), exit()];
    const programs: BpfProgram[] = [branch, either, unknown].map((rest, index) => tracer.program(index + 1, rest));
    for (const [index, program] of programs.entries()) {
      await attach(sys, all.socket, program, {
        device: 2,
        direction: 'ingress',
        netns: all.netns,
        mode: 'clsact',
        priority: index + 1,
        name: `f${index}`,
      });
    }
    all.run(
      'tc',
      'filter',
      'add',
      'dev',
      'v0',
      'ingress',
      'pref',
      '9',
      'protocol',
      'ip',
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
      'v1',
    );
    const owner = ({ filter }: { filter: { priority: number } | undefined }): string | undefined =>
      filter?.priority === 2 ? 'us' : undefined;
    const told = await chain(sys, all.socket, { device: 2, direction: 'ingress', netns: all.netns, owner });
    expect(
      told.entries.map(({ returns, verdicts, reached, shadowedBy, owner: name }) => ({
        returns,
        verdicts,
        reached,
        shadowedBy,
        name,
      })),
    ).toEqual([
      {
        returns: { codes: [UNSPEC, SHOT], unknown: false },
        verdicts: ['next', 'drop'],
        reached: 'always',
        shadowedBy: [],
        name: undefined,
      },
      {
        returns: { codes: [UNSPEC, TC_ACT.REDIRECT], unknown: false },
        verdicts: ['next', 'redirect'],
        reached: 'maybe',
        shadowedBy: [0],
        name: 'us',
      },
      {
        returns: { codes: [], unknown: true },
        verdicts: ['unknown'],
        reached: 'maybe',
        shadowedBy: [0, 1],
        name: undefined,
      },
      {
        returns: undefined,
        verdicts: ['stolen', 'drop', 'next'],
        reached: 'maybe',
        shadowedBy: [0, 1, 2],
        name: undefined,
      },
    ]);
    const text = formatChain(told);
    const shown = all.run('tc', 'filter', 'show', 'dev', 'v0', 'ingress');
    for (const { program } of told.entries.slice(0, 3))
      expect(shown).toContain(`id ${program?.id} name ${program?.name} tag ${program?.tag}`);
    expect(text).toContain('1: clsact filter protocol all pref 2 bpf chain 0 handle 0x1 f1 direct-action id ');
    expect(text).toContain('returns unspec|redirect owner us -> next|redirect (maybe reached: entry 0 before it)');
    expect(await tracer.frame(all, 3)).toEqual([1, 2, 3]);
  });

  test('a hook with nothing on it', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    expect(await chain(sys, all.socket, { device: 2, direction: 'egress', netns: all.netns })).toMatchObject({
      entries: [],
      passes: 'always',
    });
    await expect(chain(sys, all.socket, { device: 99, direction: 'egress', netns: all.netns })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
  });
});
