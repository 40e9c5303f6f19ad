import { execFileSync } from 'node:child_process';
import {
  add64,
  be,
  call,
  callLocal,
  decode,
  exit,
  func,
  hasTag,
  helperByName,
  jeq,
  label,
  ldMap,
  ldMapValue,
  ldxw,
  link,
  mov64,
  print,
  stdw,
  u32,
  u64,
  type Item,
  type Program,
} from 'bpf-asm';
import { loadProgram, openSys, readProgramCode, readProgramInfo } from 'netlink-tc';
import { expect, test } from 'vitest';
import { describeWith, root, tool } from './support/needs.ts';

const map = { name: 'm', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4, key: u32, value: u64 } as const;
const add: Item = { kind: 'atomic', op: 'fetch_add', width: 64, dst: 'r0', offset: 0, src: 'r1' };
const items: Item[] = [
  stdw('r10', -8, 0),
  mov64('r2', 'r10'),
  add64('r2', -8),
  ldMap('r1', 'm'),
  call(helperByName('map_lookup_elem')?.id ?? -1),
  jeq('r0', 0, 'out'),
  mov64('r1', 1),
  add,
  label('out'),
  ldMapValue('r1', 'a', 4),
  ldxw('r0', 'r1', 0),
  callLocal('half'),
  exit(),
  func('half'),
  mov64('r0', 7),
  be('r0', 32),
  exit(),
];

describeWith([root, tool('bpftool')], "the kernel's own dump", () => {
  test('prints as bpftool prints it', async () => {
    const sys = await openSys();
    const { instructions, functions } = link(items);
    const maps = [map, { ...map, name: 'a', type: 'array', maxEntries: 1 }] as const;
    const program: Program = { name: 'dump', type: 'sched_cls', licence: 'GPL', instructions, functions, maps };
    using loaded = loadProgram(sys, program, { btf: false });
    const { id, tag } = readProgramInfo(sys, loaded.fd);
    expect(hasTag(program.instructions, tag), `tag ${tag}`).toBe(true);
    expect(hasTag([...program.instructions, ...program.instructions], tag)).toBe(false);
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
    const theirs = execFileSync('bpftool', ['prog', 'dump', 'xlated', 'id', String(id)], { encoding: 'utf8', env });
    const ours = print(decode(readProgramCode(sys, loaded.fd).translated), { style: 'bpftool' });
    // bpftool looks the names of called functions up among the symbols of the kernel.
    const lines = (text: string): string[] =>
      text
        .trimEnd()
        .split('\n')
        .map((line) =>
          line
            .trim()
            .replace(/call \w+#(\d+)$/, 'call #$1')
            .replace(/#(bpf_prog_|subprog).*$/, '#'),
        );
    expect(lines(ours)).toHaveLength(lines(theirs).length);
    expect(lines(ours)).toEqual(lines(theirs));
  });
});
