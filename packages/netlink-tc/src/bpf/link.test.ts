import { exit, mov64, type AttachType, type ProgramType } from 'bpf-asm';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { lacks } from '../../test/kernel.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { testVeth } from '../../test/veth.ts';
import { isNetlinkTcError } from '../error.ts';
import type { Sys } from '../sys/index.ts';
import { attachCgroup, attachNetns, attachSockmap, attachTcx, attachXdp } from './attach.ts';
import { attachProgram, detachProgram } from './attach-program.ts';
import { createMap } from './map-create.ts';
import { createProbes } from './probe.ts';
import { readProgramInfo } from './program-info.ts';
import { loadProgram } from './program-load.ts';
import type { BpfProgram } from './program.ts';
import { queryHook } from './query.ts';

function program(sys: Sys, name: string, type: ProgramType = 'sched_cls', expectedAttachType?: AttachType): BpfProgram {
  const options = expectedAttachType === undefined ? {} : { expectedAttachType };
  return closing(
    loadProgram(sys, programOf([mov64('r0', type === 'sched_cls' ? -1 : 1), exit()], { name, type, ...options })),
  );
}

function code(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (isNetlinkTcError(error)) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

const CGROUPS = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'];

describeWith([root, tool('ip')], 'links', () => {
  test('tcx: order, revision, replacement, detachment', async () => {
    const sys = await testSys();
    if (lacks(createProbes(sys).link('tcx'))) return;
    const { ifindex, remove } = testVeth();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => program(sys, name)) as [
      BpfProgram,
      BpfProgram,
      BpfProgram,
      BpfProgram,
    ];
    const names = (): string[] =>
      queryHook(sys, { target: ifindex, attachType: 'tcx_ingress' }).entries.map(
        ({ programId }) => [a, b, c, d].find(({ fd }) => readProgramInfo(sys, fd).id === programId)?.name ?? '?',
      );
    const linkA = closing(attachTcx(sys, a, ifindex, 'ingress'));
    const linkB = closing(attachTcx(sys, b, ifindex, 'ingress', { order: 'head' }));
    expect(names()).toEqual(['b', 'a']);
    const linkC = closing(attachTcx(sys, c, ifindex, 'ingress', { order: { before: { program: a } } }));
    expect(names()).toEqual(['b', 'c', 'a']);
    const { id } = linkC.info();
    const linkD = closing(attachTcx(sys, d, ifindex, 'ingress', { order: { after: { link: id } } }));
    expect(names()).toEqual(['b', 'c', 'd', 'a']);
    expect(linkD.info()).toMatchObject({ type: 'tcx', ifindex, attachType: 'tcx_ingress' });

    const { revision } = queryHook(sys, { target: ifindex, attachType: 'tcx_ingress' });
    linkD.close();
    const stale = program(sys, 'stale');
    expect(code(() => attachTcx(sys, stale, ifindex, 'ingress', { expectedRevision: revision }))).toBe('ERR_STALE');
    expect(code(() => attachTcx(sys, a, ifindex, 'ingress'))).toBe('ERR_EXISTS');
    expect(code(() => attachTcx(sys, stale, ifindex, 'ingress', { order: { before: { program: d } } }))).toBe(
      'ERR_NOT_FOUND',
    );
    expect(code(() => attachTcx(sys, stale, ifindex, 'sideways' as 'ingress'))).toBe('ERR_INVALID_ARGUMENT');
    expect(code(() => attachTcx(sys, stale, 0x7fff_fff0, 'ingress'))).toBe('ERR_NOT_FOUND');

    linkA.update(d);
    expect(names()).toEqual(['b', 'c', 'd']);
    expect(() => linkA.update(stale, { expected: a })).toThrow(/runs another program than the expected one/);
    linkA.update(a, { expected: d });
    linkB.detach();
    linkB.detach();
    expect(code(() => linkB.update(d))).toBe('ERR_DETACHED');
    expect(names()).toEqual(['c', 'a']);
    remove();
    expect(code(() => linkC.update(d))).toBe('ERR_DETACHED');
    linkC.detach();
  });

  test('programs without links are replaced in their place', async () => {
    const sys = await testSys();
    if (lacks(createProbes(sys).link('tcx'))) return;
    const { ifindex } = testVeth();
    const [a, b] = [program(sys, 'a'), program(sys, 'b')];
    const hook = { target: ifindex, attachType: 'tcx_egress' } as const;
    attachProgram(sys, a, hook);
    attachProgram(sys, b, hook, { replace: a });
    expect(queryHook(sys, hook).entries).toMatchObject([{ programId: readProgramInfo(sys, b.fd).id, linkId: 0 }]);
    expect(detachProgram(sys, b, hook)).toBe(true);
    expect(detachProgram(sys, b, hook)).toBe(false);
  });

  test('xdp', async () => {
    const sys = await testSys();
    const { ifindex } = testVeth();
    const link = closing(attachXdp(sys, program(sys, 'x', 'xdp'), ifindex, { mode: 'generic' }));
    expect(link.info()).toMatchObject({ type: 'xdp', ifindex });
    expect(code(() => attachXdp(sys, program(sys, 'y', 'xdp'), ifindex, { mode: 'generic' }))).toBe('ERR_BUSY');
  });

  test('a network namespace', async () => {
    const sys = await testSys();
    const link = closing(attachNetns(sys, program(sys, 'steer', 'sk_lookup', 'sk_lookup'), '/proc/self/ns/net'));
    expect(link.info()).toMatchObject({ type: 'netns', attachType: 'sk_lookup' });
    expect(link.info().netnsInode).toBeGreaterThan(0);
    expect(code(() => attachNetns(sys, program(sys, 's2', 'sk_lookup', 'sk_lookup'), '/no/such'))).toBe(
      'ERR_NOT_FOUND',
    );
    link.detach();
    expect(link.info().netnsInode).toBe(0);
  });

  test('a control group', async () => {
    const sys = await testSys();
    const mount = CGROUPS.find((path) => existsSync(`${path}/cgroup.procs`));
    if (mount === undefined) throw new Error('no cgroup v2 hierarchy');
    const group = `${mount}/netlink-tc-${process.pid}`;
    mkdirSync(group);
    onTestFinished(() => rmdirSync(group));
    const link = closing(attachCgroup(sys, program(sys, 'g', 'cgroup_skb'), group, 'cgroup_inet_egress'));
    expect(link.info()).toMatchObject({ type: 'cgroup', attachType: 'cgroup_inet_egress' });
    expect(link.info().cgroupId).toBeGreaterThan(0n);
    link.close();
  });

  test('a sockmap', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, { name: 'socks', type: 'sockmap', keySize: 4, valueSize: 4, maxEntries: 2 }));
    const verdict = program(sys, 'verdict', 'sk_msg', 'sk_msg_verdict');
    const hook = { target: map.fd, attachType: 'sk_msg_verdict' } as const;
    const { id } = readProgramInfo(sys, verdict.fd);
    attachProgram(sys, verdict, hook);
    expect(detachProgram(sys, verdict, hook)).toBe(true);
    if (lacks(createProbes(sys).link('sockmap'))) return;
    const link = closing(attachSockmap(sys, verdict, map, 'sk_msg_verdict'));
    expect(link.info()).toMatchObject({ type: 'sockmap', attachType: 'sk_msg_verdict', programId: id });
    expect(queryHook(sys, hook).entries.map(({ programId }) => programId)).toEqual([id]);
  });
});
