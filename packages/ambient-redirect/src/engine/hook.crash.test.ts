import { atomicAdd64, add64, exit, jeq, label, ldMapValue, ldxw, mov64, stw, type MapDefinition } from 'bpf-asm';
import { addFilter, createMap, loadProgram, readProgramInfo, type Sys } from 'netlink-tc';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { foreign } from '../../../netlink-tc/test/foreign.ts';
import { silentPair, Tracer } from '../../../netlink-tc/test/hook.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import type { TestNetns } from '../../../netlink-tc/test/netns.ts';
import { programOf } from '../../../netlink-tc/test/program.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { StateDirectory } from './directory.ts';
import { Hooks, type HookProgram } from './hook.ts';

const MARK = 8;
const PLACE = { device: 2, direction: 'ingress', owner: 'ours_ingress', pinName: 'hook-ingress' } as const;

/** Runs a script of the tests until the test ends, once it has said that it is ready. */
async function run(script: string, ...args: string[]): Promise<ChildProcess> {
  const path = new URL(`../../test/${script}`, import.meta.url).pathname;
  const child = spawn(process.execPath, ['--conditions=@ambient/source', '--import', 'tsx', path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

function netnsPath({ netns }: TestNetns): string {
  return `/proc/${process.pid}/fd/${netns.fd}`;
}

/** A filter behind all others that counts frames: how many have the mark of ours, and how many have met none of ours. */
async function guard(sys: Sys, all: TestNetns): Promise<() => { unmarked: number; marked: number }> {
  const definition = {
    name: 'seen',
    type: 'array',
    keySize: 4,
    valueSize: 16,
    maxEntries: 1,
  } as const satisfies MapDefinition;
  const map = closing(createMap(sys, definition));

  const items = [
    ldxw('r2', 'r1', MARK),
    ldMapValue('r1', 'seen'),
    jeq('r2', 0, 'unmarked'),
    add64('r1', 8),
    label('unmarked'),
    mov64('r3', 1),
    atomicAdd64('r1', 0, 'r3'),
    mov64('r0', -1),
    exit(),
  ];
  const program = closing(
    loadProgram(sys, programOf(items, { name: 'guard', maps: [definition] }), { maps: { seen: map } }),
  );
  const options = { fd: program.fd, name: 'guard', flags: 1 };
  await all.socket.request(addFilter({ device: 2, parent: 'ingress', kind: 'bpf', priority: 100, options }));
  return () => {
    const words = new BigUint64Array((map.lookup(new Uint8Array(4)) ?? new Uint8Array(16)).slice().buffer);
    return { unmarked: Number(words[0]), marked: Number(words[1]) };
  };
}

describeWith([root, tool('ip'), tool('tc'), tool('bpftool'), tool('sysctl')], 'hooks under traffic and crashes', () => {
  const modes = ['tcx', 'clsact'] as const;

  test.each(modes)('%s: no frame passes unprocessed while programs are replaced', { timeout: 60_000 }, async (mode) => {
    const sys = await testSys();
    if (mode === 'tcx' && lacksTcx(sys)) return;
    const all = await silentPair(sys);
    all.run('tc', 'qdisc', 'add', 'dev', 'v0', 'clsact');
    const count = await guard(sys, all);
    const directory = closing(StateDirectory.open(sys, statePath(sys), { create: true }));
    const hooks = new Hooks(sys, all.socket, directory, { netns: all.netns, mode, priority: 50 });
    const tracer = new Tracer(sys);
    const marking = (number: number): HookProgram => {
      const { fd } = tracer.program(number, [stw('r6', MARK, number), mov64('r0', -1), exit()]);
      return { fd, id: readProgramInfo(sys, fd).id };
    };
    const [one, two] = [marking(1), marking(2)];
    let record = await hooks.attach(PLACE, one);
    await run('floods.ts', netnsPath(all), '3');
    await expect.poll(() => count().marked, { timeout: 10_000 }).toBeGreaterThan(1000);
    const before = count();
    expect(before.unmarked).toBe(0);
    for (let i = 0; i < 300; i += 1) record = await hooks.replace(record, i % 2 === 0 ? two : one);
    const after = count();
    expect(after.unmarked).toBe(0);
    expect(after.marked).toBeGreaterThan(before.marked + 300);
    // The guard does see what is not processed.
    for (let i = 0; i < 20; i += 1) {
      await hooks.detach(record);
      await sleep(1);
      record = await hooks.attach(PLACE, one);
    }
    expect(count().unmarked).toBeGreaterThan(0);
    await hooks.detach(record);
  });

  test.each(modes)('%s: killed at any moment, the next one finds all of it', { timeout: 120_000 }, async (mode) => {
    const sys = await testSys();
    if (mode === 'tcx' && lacksTcx(sys)) return;
    const all = await silentPair(sys);
    const path = statePath(sys);
    const before = foreign(sys, all);
    const program = new Tracer(sys).program(1, -1);
    const next = { fd: program.fd, id: readProgramInfo(sys, program.fd).id };
    for (let kills = 0; kills < 3; kills += 1) {
      const child = await run('crashes.ts', path, netnsPath(all), mode);
      await sleep(5 + Math.random() * 100);
      child.kill('SIGKILL');
      await once(child, 'exit');
      using directory = StateDirectory.open(sys, path);
      const { round, text } = directory.records.get<{ round: number; text: string }>('round') ?? { round: 0, text: '' };
      expect(text).toBe(String(round % 10).repeat((round * 997) % 6000));
      expect(directory.records.sweep()).toBe(0);
      const hooks = new Hooks(sys, all.socket, directory, { netns: all.netns, mode, priority: 50 });
      for (const direction of ['ingress', 'egress'] as const) {
        const record = await hooks.attach(
          { ...PLACE, direction, owner: `ours_${direction}`, pinName: `hook-${direction}` },
          next,
        );
        expect(await hooks.state(record)).toEqual({ status: 'ours', programId: next.id });
        await hooks.detach(record);
      }
      await hooks.removeQdiscs();
      await expect.poll(() => foreign(sys, all)).toEqual(before);
      expect(directory.records.names('qdisc/')).toEqual([]);
    }
  });
});
