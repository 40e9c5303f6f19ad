import { add64, call, exit, helperByName, ldMap, lddw, mov64, stdw } from 'bpf-asm';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import type { Sys } from '../sys/index.ts';
import { createMap } from './map-create.ts';
import { openPerfReader, type PerfRecord } from './perf-reader.ts';
import { loadProgram } from './program-load.ts';
import type { BpfProgram } from './program.ts';
import { possibleCpus } from './codec.ts';
import { testRun } from './test-run.ts';

function definition(): { name: 'perf'; type: 'perf_event_array'; keySize: 4; valueSize: 4; maxEntries: number } {
  return { name: 'perf', type: 'perf_event_array', keySize: 4, valueSize: 4, maxEntries: possibleCpus() };
}

/** Puts 8 bytes that hold 42 on the buffer of the CPU it runs on. */
function writer(sys: Sys, map: { fd: number }): BpfProgram {
  const items = [
    stdw('r10', -8, 42),
    mov64('r4', 'r10'),
    add64('r4', -8),
    ldMap('r2', 'perf'),
    lddw('r3', 0xffff_ffffn),
    mov64('r5', 8),
    call(helperByName('perf_event_output')?.id ?? -1),
    exit(),
  ];
  return closing(loadProgram(sys, programOf(items, { licence: 'GPL', maps: [definition()] }), { maps: { perf: map } }));
}

describeWith([root], 'perf event arrays', () => {
  test('records come, also round the end of the buffer', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, definition()));
    const program = writer(sys, map);
    using reader = openPerfReader(sys, map, { pages: 1 });
    const seen: PerfRecord[] = [];
    testRun(sys, program, { repeat: 5 });
    const timer = setInterval(() => testRun(sys, program, { repeat: 50 }), 5);
    for await (const record of reader) {
      seen.push(record);
      if (seen.length === 400) break;
    }
    clearInterval(timer);
    expect(seen.every(({ bytes, cpu }) => bytes[0] === 42 && bytes.length >= 8 && cpu < possibleCpus())).toBe(true);
    expect(reader.dropped).toBe(0);
  });

  test('what the kernel lost is counted', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, definition()));
    const program = writer(sys, map);
    using reader = openPerfReader(sys, map, { pages: 1 });
    const iterator = reader.events();
    testRun(sys, program, { repeat: 1000 });
    await iterator.next();
    // The kernel tells of the loss with the next record on the same CPU.
    const droppedAfterRun = (): number => {
      testRun(sys, program, { repeat: 10 });
      return reader.dropped;
    };
    await expect.poll(droppedAfterRun, { timeout: 10_000 }).toBeGreaterThan(0);
    await iterator.return();
  });

  test('what cannot be is refused', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, { name: 'h', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }));
    expect(() => openPerfReader(sys, map)).toThrow(/is a hash, not a perf event array/);
    const perf = closing(createMap(sys, definition()));
    expect(() => openPerfReader(sys, perf, { pages: 3 })).toThrow(/power of two/);
  });
});
