import { add64, call, exit, jeq, label, ldMap, mov64, stdw, struct, u64, helperByName, type Item } from 'bpf-asm';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import type { Sys } from '../sys/index.ts';
import { createMap } from './map-create.ts';
import { loadProgram } from './program-load.ts';
import type { BpfProgram } from './program.ts';
import { openRingBuffer } from './ring-buffer.ts';
import { testRun } from './test-run.ts';

const ring = { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 1 << 16 } as const;
const event = struct('event', { kind: u64, size: u64 });
const helper = (name: string): Item => call(helperByName(name)?.id ?? -1);

/** Submits one record of 16 bytes a run: 7, and 9. */
function submitter(sys: Sys, map: { fd: number }): BpfProgram {
  const items = [
    mov64('r1', 'r10'),
    add64('r1', -16),
    stdw('r1', 0, 7),
    stdw('r1', 8, 9),
    mov64('r2', 'r1'),
    ldMap('r1', 'ring'),
    mov64('r3', 16),
    mov64('r4', 0),
    helper('ringbuf_output'),
    exit(),
  ];
  return closing(loadProgram(sys, programOf(items, { maps: [ring] }), { maps: { ring: map } }));
}

/** Reserves a record and discards it. */
function discarder(sys: Sys, map: { fd: number }): BpfProgram {
  const items = [
    ldMap('r1', 'ring'),
    mov64('r2', 8),
    mov64('r3', 0),
    helper('ringbuf_reserve'),
    jeq('r0', 0, 'out'),
    mov64('r1', 'r0'),
    mov64('r2', 0),
    helper('ringbuf_discard'),
    label('out'),
    mov64('r0', 0),
    exit(),
  ];
  return closing(loadProgram(sys, programOf(items, { maps: [ring] }), { maps: { ring: map } }));
}

describeWith([root], 'ring buffers', () => {
  test('records are iterated as they come, by their layout', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, ring));
    const program = submitter(sys, map);
    const drop = discarder(sys, map);
    using events = openRingBuffer(sys, map, { layout: event });
    testRun(sys, program, { repeat: 3 });
    setTimeout(() => {
      testRun(sys, drop, { repeat: 2 });
      testRun(sys, program, { repeat: 4 });
    }, 20);
    const seen = [];
    for await (const record of events) {
      seen.push(record);
      if (seen.length === 7) break;
    }
    expect(seen).toEqual(Array.from({ length: 7 }, () => ({ kind: 7n, size: 9n })));
    expect(events.dropped).toBe(0);
    expect(() => events.available).toThrow(/closed/);
  });

  test('draining goes round the ring without a wait', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, { ...ring, maxEntries: 4096 }));
    const program = submitter(sys, map);
    using events = openRingBuffer(sys, map);
    let total = 0;
    for (let round = 0; round < 100; round += 1) {
      testRun(sys, program, { repeat: 100 });
      expect(events.available).toBe(2400);
      total += events.drain((bytes, from, length) =>
        expect([length, bytes[from], bytes[from + 8]]).toEqual([16, 7, 9]),
      );
      expect(events.available).toBe(0);
    }
    expect(total).toBe(10_000);
    testRun(sys, program, { repeat: 5 });
    expect(events.drain(() => undefined, 2)).toBe(2);
    expect(events.drain(() => undefined)).toBe(3);
  });

  test('what the reader has no room for is counted', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, ring));
    const program = submitter(sys, map);
    using events = openRingBuffer(sys, map, { capacity: 10 });
    testRun(sys, program, { repeat: 25 });
    const iterator = events.events();
    expect((await iterator.next()).value).toHaveLength(16);
    expect(events.dropped).toBe(15);
    await iterator.return();
  });

  test('waiting ends by a signal, with its reason, and by closing', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, ring));
    const controller = new AbortController();
    using events = openRingBuffer(sys, map);
    const waiting = events.events({ signal: controller.signal }).next();
    setTimeout(() => controller.abort(new Error('enough')), 10);
    await expect(waiting).rejects.toThrow('enough');

    using others = openRingBuffer(sys, map);
    const iterator = others.events();
    setTimeout(() => others.close(), 10);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('a record shorter than the layout ends the stream with an error', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, ring));
    const program = submitter(sys, map);
    using events = openRingBuffer(sys, map, { layout: struct('longer', { a: u64, b: u64, c: u64 }) });
    testRun(sys, program);
    await expect(events.events().next()).rejects.toThrow(/has 16 bytes, its layout 24/);
  });

  test('other maps are refused', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, { name: 'h', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }));
    expect(() => openRingBuffer(sys, map)).toThrow(/is a hash, not a ring buffer/);
  });
});
