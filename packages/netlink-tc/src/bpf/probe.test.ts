import { MAP_TYPE, PROGRAM_TYPE, type MapType, type ProgramType } from 'bpf-asm';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { kernelAtLeast, lacks } from '../../test/kernel.ts';
import { testSys } from '../../test/sys.ts';
import { createProbes, type ProbeResult } from './probe.ts';

/** What the answer should be where nothing was backported or left out of the configuration. */
function expected({ since }: ProbeResult): string[] {
  return since !== undefined && kernelAtLeast(since) ? ['yes', 'unknown'] : ['no', 'yes', 'unknown'];
}

describeWith([root], 'probes', () => {
  test('map types, as their first kernels say', async () => {
    const probes = createProbes(await testSys());
    const answers = (Object.keys(MAP_TYPE) as MapType[]).map((type) => ({ type, probe: probes.mapType(type) }));
    expect(answers.filter(({ probe }) => !expected(probe).includes(probe.answer))).toEqual([]);
    expect(answers.filter(({ probe }) => probe.answer === 'yes').length).toBeGreaterThan(20);
  });

  test('program types, as their first kernels say', async () => {
    const probes = createProbes(await testSys());
    // Of the configuration rather than of the version: infrared, LSM, and netfilter.
    const optional = new Set<ProgramType>(['lirc_mode2', 'lsm', 'netfilter', 'lwt_seg6local']);
    const answers = (Object.keys(PROGRAM_TYPE) as ProgramType[])
      .filter((type) => !optional.has(type))
      .map((type) => ({ type, probe: probes.programType(type) }));
    expect(answers.filter(({ probe }) => !expected(probe).includes(probe.answer))).toEqual([]);
    expect(answers.filter(({ probe }) => probe.answer === 'yes').length).toBeGreaterThan(20);
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
    expect(probes.btf()).toMatchObject({ load: { answer: 'yes' }, kernel: { answer: 'yes' } });
  });
});
