import { exit, mov64, u32, u64 } from 'bpf-asm';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { isNetlinkTcError } from '../error.ts';
import { attachNetns } from './attach.ts';
import { createMap } from './map-create.ts';
import {
  ensureBpffs,
  findBpffs,
  openPinned,
  openPinnedLink,
  openPinnedMap,
  openPinnedProgram,
  pin,
  repin,
  unpin,
} from './pin.ts';
import { loadProgram } from './program-load.ts';
import { readMapInfo } from './map-info.ts';

const definition = {
  name: 'pinned',
  type: 'hash',
  keySize: 4,
  valueSize: 8,
  maxEntries: 4,
  key: u32,
  value: u64,
} as const;

async function bpffs(): Promise<{ sys: Awaited<ReturnType<typeof testSys>>; path: string }> {
  const sys = await testSys();
  const mounted = findBpffs()[0];
  const mount = mounted ?? '/sys/fs/bpf';
  if (mounted === undefined) ensureBpffs(sys, mount);
  const path = `${mount}/netlink_tc_${process.pid}_${Math.floor(performance.now())}`;
  mkdirSync(path);
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return { sys, path };
}

describeWith([root], 'pins', () => {
  test('bpffs is found once it is mounted', async () => {
    const { sys } = await bpffs();
    expect(ensureBpffs(sys, findBpffs()[0])).toBe(false);
  });

  test('a pinned map outlives its owner, and is opened by its definition', async () => {
    const { sys, path } = await bpffs();
    const map = createMap(sys, definition);
    map.update(1, 5n);
    pin(sys, map, `${path}/map`);
    map.close();
    const again = closing(openPinnedMap(sys, `${path}/map`, definition));
    expect(again.lookup(1)).toBe(5n);
    expect(() => pin(sys, again, `${path}/map`)).toThrow(/EEXIST.*repin replaces it/);
    expect(() => pin(sys, again, `${path}/no.dots`)).toThrow(/may not contain a dot/);
    expect(() => pin(sys, again, '/tmp/elsewhere')).toThrow(/must be in bpffs/);
    expect(() => pin(sys, again, `${path}/no/such`)).toThrow(/the directory is not there/);
  });

  test('a map that is opened to read takes no change', async () => {
    const { sys, path } = await bpffs();
    const map = closing(createMap(sys, definition));
    map.update(1, 5n);
    pin(sys, map, `${path}/map`);
    const reader = closing(openPinnedMap(sys, `${path}/map`, definition, { readOnly: true }));
    expect(reader.lookup(1)).toBe(5n);
    expect([...reader.entries()]).toEqual([[1, 5n]]);
    expect(() => reader.update(1, 6n)).toThrow(/EPERM/);
    expect(() => reader.delete(1)).toThrow(/EPERM/);
    expect(map.lookup(1)).toBe(5n);
  });

  test('what differs from the definition is listed, and nothing is left open', async () => {
    const { sys, path } = await bpffs();
    pin(sys, closing(createMap(sys, definition)), `${path}/map`);
    const other = { ...definition, valueSize: 4, value: u32, maxEntries: 8 };
    expect(() => openPinnedMap(sys, `${path}/map`, other)).toThrow(
      'map pinned is not as defined: value size is 8, not 4, maximum of entries is 4, not 8',
    );
  });

  test('a pin is replaced with no moment without one', async () => {
    const { sys, path } = await bpffs();
    const [a, b] = [closing(createMap(sys, definition)), closing(createMap(sys, { ...definition, name: 'second' }))];
    pin(sys, a, `${path}/map`);
    repin(sys, b, `${path}/map`);
    const opened = closing(openPinned(sys, `${path}/map`));
    expect(opened.kind).toBe('map');
    expect(readMapInfo(sys, opened.fd).name).toBe('second');
    expect(unpin(`${path}/map`)).toBe(true);
    expect(unpin(`${path}/map`)).toBe(false);
  });

  test('programs and links, by their kinds', async () => {
    const { sys, path } = await bpffs();
    const items = [mov64('r0', 1), exit()];
    const program = closing(loadProgram(sys, programOf(items, { type: 'sk_lookup', expectedAttachType: 'sk_lookup' })));
    const link = attachNetns(sys, program, '/proc/self/ns/net');
    pin(sys, program, `${path}/program`);
    pin(sys, link, `${path}/link`);
    link.close();
    closing(openPinnedProgram(sys, `${path}/program`));
    const again = closing(openPinnedLink(sys, `${path}/link`));
    expect(again.info().netnsInode).toBeGreaterThan(0);
    again.detach();
    let caught: unknown;
    try {
      openPinnedLink(sys, `${path}/program`);
    } catch (error) {
      caught = error;
    }
    expect(isNetlinkTcError(caught, 'ERR_INCOMPATIBLE')).toBe(true);
    expect(() => openPinned(sys, `${path}/nothing`)).toThrow(/ENOENT.*nothing is pinned there/);
    expect(existsSync(`${path}/program`)).toBe(true);
  });
});
