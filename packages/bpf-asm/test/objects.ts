/**
 * Objects for tests: those that clang made of the C files in `objects`, and programs to write objects of.
 */
import { readFileSync } from 'node:fs';
import { link, type MapDefinition, type Program } from '../src/asm/index.ts';
import { struct, u32, u64 } from '../src/layout/index.ts';
import { parseItems } from '../src/text/index.ts';

/** An object that clang made (`objects/make.sh`). */
export function clangObject(name: string): Uint8Array {
  return new Uint8Array(
    Buffer.from(readFileSync(new URL(`objects/${name}.o.base64`, import.meta.url), 'utf8'), 'base64'),
  );
}

/** Links text of the kernel's dialect; instructions carry their line as source. */
export function assembled(
  name: string,
  text: string,
  rest: Partial<Pick<Program, 'type' | 'maps' | 'licence' | 'expectedAttachType'>> = {},
): Program {
  const lines = text.split('\n');
  const items = parseItems(text, { file: `${name}.bpf` }).map((item) => {
    if (item.source === undefined) return item;
    return Object.assign({}, item, { source: { ...item.source, text: lines[item.source.line - 1]?.trim() ?? '' } });
  });
  return { name, type: 'sched_cls', licence: 'Apache-2.0', maps: [], ...rest, ...link(items, { entry: name }) };
}

/** A map with layouts, a map without, and one that is named by its value. */
export const maps: readonly MapDefinition[] = [
  {
    name: 'counters',
    type: 'hash',
    keySize: 8,
    valueSize: 8,
    maxEntries: 100,
    key: struct('flow', { address: u32, port: u32 }),
    value: u64,
  },
  { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
  { name: 'state', type: 'array', keySize: 4, valueSize: 16, maxEntries: 1 },
];

/** Counts packets by mark, calls functions, reads a variable, and lets every packet pass. */
export const COUNT = `
  r6 = r1
  r1 = *(u32 *)(r6 +8)
  *(u32 *)(r10 -8) = r1
  *(u32 *)(r10 -4) = 0
  r2 = r10
  r2 += -8
  r1 = map[counters]
  call bpf_map_lookup_elem
  if r0 == 0x0 goto out
  r1 = 1
  lock *(u64 *)(r0 +0) += r1
  r1 = map[state][0]+4
  r1 = *(u32 *)(r1 +0)
  call scale
out:
  r0 = -1
  exit
scale:
  r0 = r1
  call twice
  exit
twice:
  r0 = r1
  r0 *= 2
  exit
`;
