import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { STEERED } from '../../maps.ts';
import type { PodRates, Rates } from '../../observe/index.ts';
import { Output } from '../output.ts';
import { topText } from './top-text.ts';

const sink = { write: () => true };
const io = { stdin: Readable.from([]), stdout: sink, stderr: sink, env: {}, signal: new AbortController().signal };
const output = new Output(io, { json: false, quiet: false });
const NOTHING = Object.fromEntries(Object.keys(STEERED).map((name) => [name, 0])) as Rates['steered'];
const FRAME = { time: '2026-02-26T08:30:01.000Z', seconds: 1.04 };
const none = { outbound: 0, inbound: 0 };

test('pods with the most packets come first, each with what became of its packets; silent ones are left out', () => {
  const pods: PodRates[] = [
    { id: 'silent', connections: none, traffic: [] },
    {
      id: 'few',
      connections: none,
      traffic: [{ direction: 'inbound', verdict: 'spoofed', packets: 2.04, bytes: 120 }],
    },
    {
      id: 'many',
      connections: { outbound: 12.5, inbound: 0.25 },
      traffic: [
        { direction: 'inbound', verdict: 'delivered', packets: 999, bytes: 1_234_567 },
        { direction: 'outbound', verdict: 'captured', packets: 12_345.6, bytes: 99.6 },
      ],
    },
    { id: 'opens', connections: { outbound: 1, inbound: 0 }, traffic: [] },
  ];
  expect(topText(output, { pods, steered: { ...NOTHING, outbound: 12.5, noListener: 1 } }, FRAME).split('\n')).toEqual([
    '08:30:01 UTC, over 1.0 s   at the proxy: outbound 13/s, noListener 1.0/s',
    '',
    'POD    OPENED/S  TAKEN/S  DIRECTION  VERDICT    PACKETS/S    BYTES/S',
    'many         13      0.3  outbound   captured      12,346        100',
    '                          inbound    delivered        999  1,234,567',
    'few           0        0  inbound    spoofed          2.0        120',
    'opens       1.0        0  -          -                  0          0',
  ]);
});

test('a small terminal shows what fits, and says how much more there is', () => {
  const pods = Array.from({ length: 20 }, (_, at): PodRates => ({
    id: `pod-${at}`,
    connections: none,
    traffic: [{ direction: 'outbound', verdict: 'other', packets: at + 1, bytes: 1 }],
  }));
  const lines = topText(output, { pods, steered: NOTHING }, { ...FRAME, rows: 10 }).split('\n');
  expect(lines.length).toBeLessThanOrEqual(10);
  expect(lines[3]).toContain('pod-19');
  expect(lines.at(-1)).toBe('14 more lines');
  expect(topText(output, { pods: [], steered: NOTHING }, FRAME)).toMatch(
    /at the proxy: nothing\n\nnothing passes \(0 pods\)$/,
  );
});
