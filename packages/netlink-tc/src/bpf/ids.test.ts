import { decode, exit, hasTag, ldMapValue, ldxdw, mov64, u32, u64 } from 'bpf-asm';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { enableStatistics, objectIds, objects, openById } from './ids.ts';
import { readBtfInfo } from './btf.ts';
import { createMap } from './map-create.ts';
import { readMapInfo } from './map-info.ts';
import { readProgramCode, readProgramInfo } from './program-info.ts';
import { readProgramLines } from './program-lines.ts';
import { loadProgram } from './program-load.ts';
import { testRun } from './test-run.ts';

const map = { name: 'm', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1, key: u32, value: u64 } as const;

describeWith([root], 'information', () => {
  test('of a program: its name, tag, maps, code and lines', async () => {
    const sys = await testSys();
    const load = { file: 'a.ts', line: 3, column: 1, text: 'load()' };
    const end = { file: 'b.ts', line: 70, column: 9, text: 'return' };
    const items = [{ ...ldMapValue('r1', 'm'), source: load }, ldxdw('r0', 'r1', 0), { ...exit(), source: end }];
    const program = programOf(items, {
      name: 'a_long_name_of_a_program',
      maps: [map],
    });
    const loaded = closing(loadProgram(sys, program));
    const info = readProgramInfo(sys, loaded.fd);
    expect(info).toMatchObject({ type: 'sched_cls', name: 'a_long_name_of_', isGplCompatible: false, uid: 0 });
    expect(info.mapIds).toEqual([readMapInfo(sys, loaded.maps.get('m')?.fd ?? -1).id]);
    expect(info.btfId).toBeGreaterThan(0);
    const code = readProgramCode(sys, loaded.fd);
    expect(code.translated).toHaveLength(info.translatedSize);
    expect(decode(code.translated).at(-1)).toMatchObject({ kind: 'exit' });
    expect(code.lineInfo).toHaveLength(32);
    expect(readProgramLines(sys, loaded.fd)).toEqual([
      { slot: 0, ...load },
      { slot: 3, ...end },
    ]);
    const unlined = closing(loadProgram(sys, program, { btf: false }));
    expect(readProgramLines(sys, unlined.fd)).toEqual([]);
  });

  test('the tag is that of the instructions', async () => {
    const sys = await testSys();
    const program = programOf([mov64('r0', 2), exit()]);
    expect(hasTag(program.instructions, readProgramInfo(sys, closing(loadProgram(sys, program)).fd).tag)).toBe(true);
  });

  test('ids lead to objects, and go', async () => {
    const sys = await testSys();
    const made = createMap(sys, map);
    const { id, btfId } = readMapInfo(sys, made.fd);
    expect([...objectIds(sys, 'map')]).toContain(id);
    expect([...objects(sys, 'map')].find((info) => info.id === id)).toMatchObject({ name: 'm', type: 'array' });
    using btf = openById(sys, 'btf', btfId);
    expect(btf === undefined ? undefined : readBtfInfo(sys, btf.fd)).toMatchObject({ id: btfId, isKernel: false });
    const opened = openById(sys, 'map', id);
    expect(opened?.kind).toBe('map');
    opened?.close();
    made.close();
    await expect.poll(() => openById(sys, 'map', id), { timeout: 5000 }).toBeUndefined();
    expect([...objects(sys, 'program')].length).toBeGreaterThanOrEqual(0);
    expect([...objects(sys, 'link')].length).toBeGreaterThanOrEqual(0);
  });

  test('runs are counted while statistics are on', async () => {
    const sys = await testSys();
    const loaded = closing(loadProgram(sys, programOf([mov64('r0', 0), exit()])));
    using statistics = enableStatistics(sys);
    expect(statistics.number).toBeGreaterThan(0);
    testRun(sys, loaded, { repeat: 100 });
    expect(readProgramInfo(sys, loaded.fd).runCount).toBeGreaterThanOrEqual(100n);
  });
});
