import { exit, jeq, label, ldxw, mov64 } from 'bpf-asm';
import {
  addFilter,
  addQdisc,
  attachTcx,
  BPF_COMMAND,
  ProgramReader,
  readProgramInfo,
  TC_ACT,
  type Sys,
} from 'netlink-tc';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLab, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { Tracer } from '../../../netlink-tc/test/hook.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { readChains } from './interface-chain.ts';

vi.setConfig({ testTimeout: 300_000 });

const { OK, UNSPEC, STOLEN } = TC_ACT;

/** Lets frames of one type pass, and leaves the rest to the next. */
const SOMETIMES = [
  ldxw('r2', 'r6', 16),
  mov64('r0', OK),
  jeq('r2', 0x1234, 'out'),
  mov64('r0', UNSPEC),
  label('out'),
  exit(),
];

interface Stage {
  readonly sys: Sys;
  readonly lab: Lab;
  readonly tracer: Tracer;
}

async function stage(): Promise<Stage> {
  const sys = await testSys();
  const lab = await createLab(sys);
  onTestFinished(() => lab.close());
  return { sys, lab, tracer: new Tracer(sys) };
}

async function addTheirs({ sys, lab: { node }, tracer }: Stage, device: number, priority: number): Promise<number> {
  const { fd } = tracer.program(3, SOMETIMES);
  const options = { fd, name: 'theirs', flags: 1 };
  await node.socket.request(addFilter({ device, parent: 'ingress', kind: 'bpf', priority, options }));
  return readProgramInfo(sys, fd).id;
}

describeWith([root, tool('tc')], 'chains of interfaces', () => {
  test('tcx, then clsact by priority, each as plain data, on both sides', async () => {
    const all = await stage();
    const { sys, lab, tracer } = all;
    if (lacksTcx(sys)) return;
    const { node, client } = lab;
    const device = client.hostIndex;
    const first = tracer.program(1, UNSPEC);
    const second = tracer.program(2, STOLEN);
    const [firstId, secondId] = [first, second].map(({ fd }) => readProgramInfo(sys, fd).id);
    const links = [first, second].map((program) =>
      closing(node.netns.run(() => attachTcx(sys, program, device, 'ingress'))),
    );
    await node.socket.request(addQdisc({ device, kind: 'clsact' }));
    const later = await addTheirs(all, device, 9);
    const u32 = 'prio 5 protocol ip u32 match ip dport 80 0xffff flowid 1:1';
    await node.exec('tc', 'filter', 'add', 'dev', client.hostInterface, 'ingress', ...u32.split(' '));
    const [ingress, egress, ...others] = await readChains(sys, node.socket, {
      links: [{ index: device, name: client.hostInterface }],
      netns: node.netns,
      where: 'host',
      ours: new Set([firstId ?? 0]),
    });
    expect(others).toEqual([]);
    expect(egress).toMatchObject({ direction: 'egress', entries: [], passes: 'always' });
    expect(ingress).toMatchObject({ interface: 'v-client', where: 'host', index: device, direction: 'ingress' });
    expect(
      ingress?.entries.map(({ layer, ours, program, linkId, filter, returns, verdicts, reached, shadowedBy }) => ({
        who: `${layer} ${program?.id ?? filter?.kind} ${filter?.priority ?? ''}`,
        ours,
        linkId,
        returns,
        verdicts,
        reached,
        shadowedBy,
      })),
    ).toEqual([
      {
        who: `tcx ${firstId} `, ours: true, linkId: links[0]?.info().id, returns: ['unspec'], verdicts: ['next'],
        reached: 'always', shadowedBy: [],
      },
      {
        who: `tcx ${secondId} `, ours: false, linkId: links[1]?.info().id, returns: ['stolen'], verdicts: ['leave'],
        reached: 'always', shadowedBy: [],
      },
      // What leaves tcx comes to clsact.
      {
        who: 'clsact u32 5', ours: false, linkId: undefined, returns: [], verdicts: ['pass', 'next'],
        reached: 'always', shadowedBy: [],
      },
      {
        who: `clsact ${later} 9`, ours: false, linkId: undefined, returns: ['unspec', 'ok'], verdicts: ['next', 'pass'],
        reached: 'maybe', shadowedBy: [2],
      },
    ]); // prettier-ignore
    expect(ingress?.entries.map(({ name }) => name)).toEqual(['p1', 'p2', 'u32', 'p3']);
    // Nothing on it drops.
    expect(ingress?.passes).toBe('always');
    expect(ingress?.entries.at(-1)?.filter).toMatchObject({ kind: 'bpf', priority: 9, handle: 1 });
  });

  test('a program that many interfaces have is read once', async () => {
    const all = await stage();
    const { sys, lab } = all;
    const { node, client, server } = lab;
    const { fd } = all.tracer.program(1, UNSPEC);
    for (const { hostIndex: device } of [client, server]) {
      await node.socket.request(addQdisc({ device, kind: 'clsact' }));
      for (const parent of ['ingress', 'egress'] as const) {
        const options = { fd, name: 'theirs', flags: 1 };
        await node.socket.request(addFilter({ device, parent, kind: 'bpf', priority: 1, options }));
      }
    }
    let opened = 0;
    const counting: Sys = {
      ...sys,
      bpf: (command, ...rest) => {
        if (command === BPF_COMMAND.BPF_PROG_GET_FD_BY_ID) opened += 1;
        return sys.bpf(command, ...rest);
      },
    };
    const reader = new ProgramReader(counting);
    for (const { hostIndex: index, hostInterface: name } of [client, server]) {
      const links = [{ index, name }];
      const chains = await readChains(counting, node.socket, {
        links, netns: node.netns, where: 'host', ours: new Set(), reader,
      }); // prettier-ignore
      expect(chains.map(({ entries }) => entries.length)).toEqual([1, 1]);
    }
    expect(opened).toBe(1);
  });

  test('an interface that is gone', async () => {
    const { sys, lab } = await stage();
    const links = [{ index: 4711, name: 'v-none' }];
    await expect(
      readChains(sys, lab.node.socket, { links, netns: lab.node.netns, where: 'host', ours: new Set() }),
    ).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});
