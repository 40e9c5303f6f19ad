import { exit, mov64 } from 'bpf-asm';
import {
  attachTcx,
  createMap,
  loadProgram,
  openPinnedMap,
  pin,
  queryHook,
  readMapInfo,
  type BpfProgram,
  type Sys,
} from 'netlink-tc';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { programOf } from '../../../netlink-tc/test/program.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { testPair } from '../../../netlink-tc/test/netns.ts';
import { statePath } from '../../test/state.ts';
import { MAPS } from '../maps.ts';
import { StateDirectory, type StateDirectoryOptions } from './directory.ts';
import { schema } from './schema.ts';

function passing(sys: Sys, name = 'passing'): BpfProgram {
  return closing(loadProgram(sys, programOf([mov64('r0', -1), exit()], { name })));
}

/** Opens it for one test. */
function open(sys: Sys, path: string, options: StateDirectoryOptions = { create: true }): StateDirectory {
  return closing(StateDirectory.open(sys, path, options));
}

/** All that is pinned below a path, and which maps these are. */
function pins(sys: Sys, path: string): readonly unknown[] {
  const names = readdirSync(path, { recursive: true }).map(String).toSorted();
  const ids = Object.entries(MAPS).map(([name, { definition }]) => {
    const at = `${path}/v1/maps/${name}`;
    if (!existsSync(at)) return [name, undefined];
    try {
      using map = openPinnedMap(sys, at, definition);
      return [name, readMapInfo(sys, map.fd).id];
    } catch (error) {
      return [name, String(error)];
    }
  });
  return [names, ids];
}

describeWith([root], 'the directory of the state', () => {
  test('made, closed, adopted: maps, records, programs and links are the same', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    expect(() => StateDirectory.open(sys, path)).toThrow(/there is no state of an engine/);
    expect(existsSync(path)).toBe(false);

    const first = StateDirectory.open(sys, path, { create: true });
    first.maps.pod_hash.update({ address: 'fd00::1' }, { ifindex: 7, slot: 3, flags: 1 });
    first.maps.interfaces.update(7, 3);
    first.records.put('pod/a', { slot: 3 });
    first.pinProgram('some_program', passing(sys));
    first.close();
    first.close();

    const second = open(sys, path, {});
    expect(second.maps.pod_hash.lookup({ address: 'fd00::1' })).toEqual({ ifindex: 7, slot: 3, flags: 1 });
    expect(second.maps.interfaces.lookup(7)).toBe(3);
    expect(second.records.get('pod/a')).toEqual({ slot: 3 });
    expect(second.programNames()).toEqual(['some_program']);
    using program = second.openProgram('some_program');
    expect(program?.kind).toBe('program');
    expect(second.openProgram('another')).toBeUndefined();
    expect(second.unpinProgram('some_program')).toBe(true);
    expect(second.unpinProgram('some_program')).toBe(false);
    expect(second.openLink('nothing')).toBeUndefined();
    expect(second.linkNames()).toEqual([]);
  });

  test('removed: nothing is left, links are detached; what others have in the directory stays', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const directory = open(sys, path);
    const all = await testPair(sys);
    const program = passing(sys, 'amb_removed');
    if (!lacksTcx(sys)) {
      using link = all.netns.run(() => attachTcx(sys, program, 2, 'ingress'));
      directory.pinLink('pod-1-ingress', link);
    }
    directory.pinProgram('p', program);
    mkdirSync(`${path}/theirs`);
    directory.remove();
    expect(readdirSync(path)).toEqual(['theirs']);
    const { entries } = lacksTcx(sys)
      ? { entries: [] }
      : all.netns.run(() => queryHook(sys, { target: 2, attachType: 'tcx_ingress' }));
    expect(entries).toEqual([]);
    rmSync(path, { recursive: true });
    open(sys, path).remove();
    expect(existsSync(path)).toBe(false);
  });

  test('one at a time: the other is refused with the name of who has it, and may look', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const first = open(sys, path);
    first.records.put('a', 1);
    expect(() => StateDirectory.open(sys, path, { create: true })).toThrow(
      expect.objectContaining({ code: 'ERR_LOCKED', message: expect.stringContaining('in use by this very process') }),
    );
    const looker = open(sys, path, { readOnly: true });
    expect(looker.records.get('a')).toBe(1);
    expect(() => looker.records.put('a', 2)).toThrow(expect.objectContaining({ code: 'ERR_PERMISSION' }));
    expect(() => looker.maps.interfaces.update(1, 1)).toThrow(expect.objectContaining({ code: 'ERR_PERMISSION' }));
    first.close();
    open(sys, path);
  });

  async function holder(path: string): Promise<ChildProcessByStdio<null, Readable, null>> {
    const script = new URL('../../test/holds-state.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--conditions=@ambient/source', '--import', 'tsx', script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    return child;
  }

  test('the lock ends with the process that has it, however that ends', { timeout: 20_000 }, async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const child = await holder(path);
    expect(() => StateDirectory.open(sys, path)).toThrow(
      expect.objectContaining({
        code: 'ERR_LOCKED',
        message: expect.stringContaining(`in use by process ${child.pid}`),
      }),
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(open(sys, path, {}).records.get('held')).toBe('by a process');
  });

  test('another layout of the maps is refused with what differs, and nothing is touched', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const directory = open(sys, path);
    const ours = schema();
    const pod = {
      type: 'hash',
      maxEntries: 8192,
      flags: 0,
      keySize: 16,
      key: '16 bytes',
      valueSize: 8,
      value: 'u64',
    } as const;
    const numbers = { ...ours.numbers, 'VERDICT.lost': 15 };
    directory.records.put('schema', { maps: { ...ours.maps, pod_hash: pod }, numbers });
    directory.close();
    const before = pins(sys, path);
    for (const options of [{ create: true }, {}, { readOnly: true }]) {
      expect(() => StateDirectory.open(sys, path, options)).toThrow(
        expect.objectContaining({
          code: 'ERR_SCHEMA',
          message: expect.stringMatching(
            /map pod_hash has keys 16 bytes, not {address@0: ipv6}; VERDICT.lost is 15, and unknown here; run the version/,
          ),
        }),
      );
    }
    expect(pins(sys, path)).toEqual(before);
  });

  test('a map that is new in this version is made, and the rest adopted', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const directory = open(sys, path);
    const { maps, numbers } = schema();
    const { events: _, ...older } = maps;
    directory.records.put('schema', { maps: older, numbers });
    directory.maps.interfaces.update(7, 3);
    directory.close();
    rmSync(`${path}/v1/maps/events`);
    expect(() => StateDirectory.open(sys, path, { readOnly: true })).toThrow(/map events is not there yet/);
    const next = open(sys, path, {});
    expect(next.maps.interfaces.lookup(7)).toBe(3);
    expect(next.records.get('schema')).toEqual(schema());
  });

  test.each(['records', 'pod_array'])('the pin of %s taken away by others is told', async (name) => {
    const sys = await testSys();
    const path = statePath(sys);
    const directory = open(sys, path);
    directory.pinProgram('used', passing(sys));
    directory.close();
    rmSync(`${path}/v1/maps/${name}`);
    const before = pins(sys, path);
    expect(() => StateDirectory.open(sys, path, { create: true })).toThrow(
      expect.objectContaining({ code: 'ERR_DAMAGED', hint: expect.stringContaining('rm -r') }),
    );
    expect(pins(sys, path)).toEqual(before);
  });

  test('a pin replaced by others is told', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    open(sys, path).close();
    rmSync(`${path}/v1/maps/interfaces`);
    const definition = { ...MAPS.interfaces.definition, maxEntries: 1 };
    pin(sys, closing(createMap(sys, definition)), `${path}/v1/maps/interfaces`);
    expect(() => StateDirectory.open(sys, path)).toThrow(
      expect.objectContaining({ code: 'ERR_DAMAGED', message: expect.stringContaining('maximum of entries is 1') }),
    );
  });

  test('one that died while it made the state leaves nothing that stands in the way', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const directory = open(sys, path);
    directory.records.delete('schema');
    directory.close();
    rmSync(`${path}/v1/maps/events`);
    expect(() => StateDirectory.open(sys, path)).toThrow(expect.objectContaining({ code: 'ERR_NO_STATE' }));
    expect(readdirSync(path)).toEqual([]);
    open(sys, path).close();
    expect(readdirSync(`${path}/v1/maps`).toSorted()).toEqual(Object.keys(MAPS).toSorted());
  });

  test.each([
    ['relative/path', /no plain absolute path/],
    ['/sys/fs/bpf/../x', /no plain absolute path/],
    ['/tmp/ambient-test', /is not in bpffs; bpffs is mounted at/],
    ['/sys/fs/bpf/ambient.test', /names in bpffs have none/],
  ])('the path %s is refused', async (path, words) => {
    const sys = await testSys();
    statePath(sys);
    expect(() => StateDirectory.open(sys, path, { create: true })).toThrow(words);
    expect(existsSync(path)).toBe(false);
  });

  test('names of pins are checked', async () => {
    const sys = await testSys();
    const directory = open(sys, statePath(sys));
    for (const name of ['', '../maps/events', 'a.b', 'x'.repeat(201)])
      expect(() => directory.openLink(name)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });
});
