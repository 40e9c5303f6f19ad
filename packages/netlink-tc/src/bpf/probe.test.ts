import { MAP_TYPE, PROGRAM_TYPE, type MapType, type ProgramType } from 'bpf-asm';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { kernelAtLeast, lacks } from '../../test/kernel.ts';
import { testSys } from '../../test/sys.ts';
import { createFakeSys } from '../sys/index.ts';
import { createProbes, type ProbeResult } from './probe.ts';

/** Types that a kernel of any version may be built without: infrared, netfilter, segment routing. */
const OPTIONAL: ReadonlySet<string> = new Set<ProgramType>(['lirc_mode2', 'netfilter', 'lwt_seg6local']);
/** Programs that hosts forbid even to root: EPERM tells nothing of the kernel. */
const FORBIDDEN: ReadonlySet<string> = new Set<ProgramType>(['lsm', 'ext']);

/** What the answer must be, going by the first kernel. */
function expected(type: string, { answer, since, reason }: ProbeResult): string {
  if (FORBIDDEN.has(type) && reason?.startsWith('EPERM: all capabilities are there') === true) return 'unknown';
  if (OPTIONAL.has(type) && answer === 'no') return 'no';
  return since !== undefined && kernelAtLeast(since) ? 'yes' : 'no';
}

test('what cannot be told is not remembered, and says why', () => {
  let answer = -1;
  const probes = createProbes(createFakeSys({ answer: () => answer }));
  expect(probes.programType('xdp')).toEqual({
    answer: 'unknown',
    since: '4.8',
    reason: 'EPERM: it needs CAP_BPF and CAP_NET_ADMIN',
  });
  expect(probes.mapType('hash').reason).toBe('EPERM: it needs CAP_BPF');
  answer = -constants.errno.ENOMEM;
  expect(probes.programType('xdp').reason).toBe('ENOMEM from the kernel, which does not tell');
  answer = 7;
  expect(probes.programType('xdp')).toEqual({ answer: 'yes', since: '4.8' });
  answer = -1;
  expect(probes.programType('xdp').answer).toBe('yes');
});

describeWith([root], 'probes', () => {
  test('map types, as their first kernels say', async () => {
    const probes = createProbes(await testSys());
    const answers = (Object.keys(MAP_TYPE) as MapType[]).map((type) => ({ type, probe: probes.mapType(type) }));
    expect(answers.filter(({ type, probe }) => probe.answer !== expected(type, probe))).toEqual([]);
  });

  test('program types, as their first kernels say', async () => {
    const probes = createProbes(await testSys());
    const answers = (Object.keys(PROGRAM_TYPE) as ProgramType[]).map((type) => ({
      type,
      probe: probes.programType(type),
    }));
    expect(answers.filter(({ type, probe }) => probe.answer !== expected(type, probe))).toEqual([]);
  });

  test('helpers by program type', async () => {
    const probes = createProbes(await testSys());
    expect(probes.helper('sched_cls', 'redirect_peer')).toMatchObject({ answer: 'yes', since: '5.10' });
    expect(probes.helper('socket_filter', 'redirect_peer').answer).toBe('no');
    expect(probes.helper('sched_cls', 1).answer).toBe('yes');
    expect(probes.helper('sched_cls', 100_000).answer).toBe('no');
    expect(probes.helper('sched_cls', 'no_such_helper').answer).toBe('no');
  });

  test('instruction sets, links and BTF', async () => {
    const probes = createProbes(await testSys());
    expect([1, 2, 3].map((version) => probes.instructionSet(version as 1 | 2 | 3).answer)).toEqual([
      'yes',
      'yes',
      'yes',
    ]);
    expect(lacks(probes.instructionSet(4))).toBe(!kernelAtLeast('6.6'));
    for (const kind of ['cgroup', 'netns', 'xdp', 'tcx', 'sockmap'] as const) {
      expect(lacks(probes.link(kind)), kind).toBe(!kernelAtLeast(probes.link(kind).since ?? '0'));
    }
    // Kernels are built without netkit, too; attach.test.ts checks the answer.
    const netkit = probes.link('netkit');
    expect(kernelAtLeast('6.7') ? ['yes', 'no'] : ['no']).toContain(netkit.answer);
    expect(probes.btf()).toMatchObject({ load: { answer: 'yes' }, kernel: { answer: 'yes' } });
  });
});
