import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeWith, file, root, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { isBpfAsmError } from '../error.ts';
import { encode, type Instruction } from '../isa/index.ts';
import { array, be16, ipv4Address, ipv6Address, macAddress, string, struct, u32, u64, u8 } from '../layout/index.ts';
import type { SourcePosition } from '../source.ts';
import {
  addMaps,
  btfOf,
  BtfBuilder,
  decodeFuncInfo,
  decodeLineInfo,
  funcInfoOf,
  lineInfoOf,
  programBtf,
  readBtf,
  readBtfExt,
  writeBtfExt,
} from './index.ts';

const attempt = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};
const at = (line: number, text: string, column = 3): { source: SourcePosition } => ({
  source: { file: 'src/programs/app-outbound.ts', line, column, text },
});
const exit: Instruction = { kind: 'exit' };
const zero: Instruction = { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 0 };
const wide: Instruction = { kind: 'ld_imm64', dst: 'r2', value: { type: 'const', value: 1n } };

/** A program that reads the packet without a check of its bounds, after a call of a function of its own. */
const instructions: Instruction[] = [
  { kind: 'alu', op: 'mov', width: 64, dst: 'r6', src: 'r1', ...at(10, 'const next = counted();') },
  { ...wide, ...at(10, 'const next = counted();') },
  { kind: 'call_local', target: 3, ...at(11, 'counted();') },
  { kind: 'load', type: 'u32', dst: 'r2', src: 'r6', offset: 76, ...at(12, '  const data = ctx.data') },
  {
    kind: 'load',
    type: 'u8',
    dst: 'r0',
    src: 'r2',
    offset: 12,
    ...at(17, 'when(eth.type.eq(0x0800))\n// never\0 seen'),
  },
  exit,
  zero,
  { ...exit, ...at(30, 'return 0;', 5000) },
];
const functions = [{ name: 'app_outbound', index: 0 }, { name: 'counted', index: 6 }]; // prettier-ignore

describe('line_info', () => {
  it('has a record where the line changes and at each function', () => {
    const path = 'src/programs/app-outbound.ts';
    expect(lineInfoOf({ instructions, functions })).toEqual([
      { slot: 0, file: path, text: 'const next = counted();', line: 10, column: 3 },
      { slot: 3, file: path, text: 'counted();', line: 11, column: 3 },
      { slot: 4, file: path, text: '  const data = ctx.data', line: 12, column: 3 },
      { slot: 5, file: path, text: 'when(eth.type.eq(0x0800)) // never  seen', line: 17, column: 3 },
      { slot: 7, file: path, text: 'return 0;', line: 30, column: 0 },
    ]);
  });

  it('names the function where none of its instructions has a source, and is empty where no instruction has', () => {
    const plain = [...instructions.slice(0, 6), zero, exit];
    expect(lineInfoOf({ instructions: plain, functions }).at(-1)).toEqual({
      slot: 7,
      file: '',
      text: 'counted',
      line: 0,
      column: 0,
    });
    expect(lineInfoOf({ instructions: [zero, exit], functions: [{ name: 'f', index: 0 }] })).toEqual([]);
  });

  it('refuses a line that does not fit', () => {
    const far = (line: number): unknown =>
      attempt(() => lineInfoOf({ instructions: [{ ...zero, ...at(line, '') }, exit], functions: [] }));
    expect(far(0x40_0000)).toMatchObject({ code: 'ERR_OUT_OF_RANGE', instruction: 0 });
    expect(far(0.5)).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(far(0x3f_ffff)).toMatchObject([{ line: 0x3f_ffff }]);
  });

  it('has strictly rising slots that begin at 0, for any program', () => {
    const source = fc.option(fc.record({ file: fc.constantFrom('a.ts', 'b.ts'), line: fc.nat(3), column: fc.nat(2) }), {
      nil: undefined,
    });
    const instruction = fc
      .tuple(arbitraryInstruction, source)
      .map(([i, s]) => (s === undefined ? i : Object.assign(i, { source: s })));
    const program = fc
      .array(instruction, { minLength: 1, maxLength: 20 })
      .chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.uniqueArray(fc.integer({ min: 1, max: Math.max(1, list.length - 1) }), { maxLength: 4 }),
        ),
      );
    fc.assert(
      fc.property(program, ([list, starts]) => {
        const symbols = [0, ...starts.filter((index) => index < list.length).toSorted((a, b) => a - b)].map(
          (index) => ({ name: `f${index}`, index }),
        );
        const { bytes, funcInfo, lineInfo } = programBtf({ instructions: list, functions: symbols });
        const btf = readBtf(bytes);
        const lines = decodeLineInfo(lineInfo, btf.strings);
        const begins = decodeFuncInfo(funcInfo).map(({ slot }) => slot);
        expect(begins.length).toBe(symbols.length);
        expect(lines.every(({ slot }, i) => slot > (lines[i - 1]?.slot ?? -1))).toBe(true);
        const where = new Set(lines.map(({ slot }) => slot));
        const sourced = list.some((i) => 'source' in i);
        expect(begins.filter((slot) => where.has(slot))).toEqual(sourced ? begins : []);
        expect(lines.length > 0).toBe(sourced);
      }),
      { numRuns: 300 },
    );
  });
});

describe('func_info', () => {
  it('says where each function begins, in slots', () => {
    const { bytes, funcInfo } = programBtf({ instructions, functions });
    const btf = readBtf(bytes);
    expect(decodeFuncInfo(funcInfo).map(({ slot, type }) => [slot, btf.type(type)])).toMatchObject([
      [0, { kind: 'func', name: 'app_outbound', linkage: 'global' }],
      [7, { kind: 'func', name: 'counted', linkage: 'static' }],
    ]);
  });

  it.each([
    [[{ name: 'late', index: 1 }]],
    [
      [
        { name: 'a', index: 0 },
        { name: 'b', index: 0 },
      ],
    ],
    [
      [
        { name: 'a', index: 0 },
        { name: 'b', index: 99 },
      ],
    ],
    [[{ name: 'a', index: Number.NaN }]],
  ])('refuses functions out of order: %j', (wrong) => {
    expect(attempt(() => funcInfoOf(new BtfBuilder(), { instructions, functions: wrong }))).toMatchObject({
      code: 'ERR_BTF',
    });
  });
});

describe('.BTF.ext', () => {
  const sections = (btf: BtfBuilder) => [
    { name: 'tc', functions: funcInfoOf(btf, { instructions, functions }), lines: lineInfoOf({ instructions, functions }) },
    { name: '.text', functions: [], lines: [{ slot: 0, file: 'x.ts', text: 'é', line: 1, column: 1023 }] },
  ]; // prettier-ignore

  it.each(['little', 'big'] as const)('gives back its records in %s endian, in bytes on the outside', (byteOrder) => {
    const btf = new BtfBuilder({ byteOrder });
    const expected = sections(btf);
    const bytes = writeBtfExt(btf, expected);
    expect(readBtfExt(bytes, readBtf(btf.bytes()).strings)).toEqual(expected);
    const view = new DataView(bytes.buffer);
    // Header, size of a record, section name and count, then the second record: slot 7 is byte 56.
    expect(view.getUint32(32 + 4 + 8 + 8, byteOrder === 'little')).toBe(56);
  });

  it('is an error or a value when bytes are changed or cut off', () => {
    const btf = new BtfBuilder();
    const good = writeBtfExt(btf, sections(btf));
    const { strings } = readBtf(btf.bytes());
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), fc.nat(good.length), (changes, cut) => {
        const bytes = good.slice(0, cut);
        for (const [where, value] of changes) if (where < cut) bytes[where] = value;
        const outcome = attempt(() => readBtfExt(bytes, strings));
        expect(Array.isArray(outcome) || isBpfAsmError(outcome, 'ERR_BTF')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

const Key = struct('flow_key', { address: ipv6Address, port: be16, mac: macAddress, v4: ipv4Address });
const Value = struct('flow', { name: string(16), packets: u64, list: array(struct('pair', { a: u8, b: u32 }), 2) });

describe('layouts and maps', () => {
  it('share the types of their fields', () => {
    const { btf, ids } = btfOf([Key, Value, Key]);
    expect(ids[0]).toBe(ids[2]);
    const read = readBtf(btf.bytes());
    expect(read.type(ids[0] ?? 0)).toMatchObject({ kind: 'struct', name: 'flow_key', size: 28, members: [{ bitOffset: 0 }, { bitOffset: 128 }, { bitOffset: 144 }, { bitOffset: 192 }] }); // prettier-ignore
    expect(btf.types.filter((type) => 'name' in type && type.name === '__u32').length).toBe(1);
  });

  it('refuses a map whose layout has another size', () => {
    const map = { name: 'm', type: 1, keySize: 4, valueSize: 4, maxEntries: 1, key: Key };
    expect(attempt(() => addMaps(new BtfBuilder(), [map]))).toMatchObject({ code: 'ERR_BTF', message: /key of map m has 4 bytes.*flow_key 28/ }); // prettier-ignore
  });

  it('lays variables out in .maps', () => {
    const btf = new BtfBuilder();
    const hash = {
      name: 'flows',
      type: 1,
      keySize: Key.size,
      valueSize: Value.size,
      maxEntries: 64,
      flags: 1,
      key: Key,
      value: Value,
    };
    const outer = { name: 'outer', type: 12, keySize: 4, valueSize: 4, maxEntries: 2, inner: hash };
    expect(addMaps(btf, [hash, outer])).toEqual({ size: 72, variables: [{ name: 'flows', offset: 0, size: 40 }, { name: 'outer', offset: 40, size: 32 }] }); // prettier-ignore
    const read = readBtf(btf.bytes());
    const section = read.type(read.find('.maps', 'datasec') ?? 0);
    expect(section).toMatchObject({ kind: 'datasec', size: 72 });
  });
});

/** bpf(2) by hand: loads BTF, makes the map, loads the program, and prints its log. */
const LOADER = `
import ctypes, json, os, struct, sys, platform
libc = ctypes.CDLL(None, use_errno=True)
NR = {'x86_64': 321, 'aarch64': 280}[platform.machine()]
job = json.load(sys.stdin)
keep = []
def mem(b):
    buf = ctypes.create_string_buffer(b, len(b)); keep.append(buf); return ctypes.addressof(buf)
def bpf(cmd, attr):
    buf = ctypes.create_string_buffer(attr, len(attr))
    fd = libc.syscall(NR, cmd, buf, len(attr))
    return fd if fd >= 0 else -ctypes.get_errno()
log = ctypes.create_string_buffer(1 << 20)
raw = {k: bytes.fromhex(v) for k, v in job['hex'].items()}
btf = bpf(18, struct.pack('<QQIII4x', mem(raw['btf']), ctypes.addressof(log), len(raw['btf']), len(log), 1))
out = {'btf': btf, 'btfLog': log.value.decode() if btf < 0 else ''}
if btf >= 0:
    k, v = job['map']
    out['map'] = bpf(0, struct.pack('<IIIIIII16sIIII', 1, job['sizes'][0], job['sizes'][1], 8, 0, 0, 0, b'flows', 0, btf, k, v))
    ctypes.memset(log, 0, len(log))
    attr = struct.pack('<IIQQIIQII16sIIIIQIIQI4x', 3, len(raw['insns']) // 8, mem(raw['insns']), mem(b'Apache-2.0\\0'), 2, len(log), ctypes.addressof(log),
        0, 0, b'app_outbound', 0, 0, btf, 8, mem(raw['funcs']), len(raw['funcs']) // 8, 16, mem(raw['lines']), len(raw['lines']) // 16)
    out['prog'] = bpf(5, attr)
    out['log'] = log.value.decode()
print(json.dumps(out))
`;

describeWith([root, tool('python3')], 'the kernel', () => {
  const load = (
    list: readonly Instruction[],
  ): { btf: number; btfLog: string; map: number; prog: number; log: string } => {
    const btf = programBtf({ instructions: list, functions, maps: [{ name: 'flows', key: Key, value: Value }] });
    const { key, value } = btf.maps.get('flows') ?? { key: 0, value: 0 };
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    const input = JSON.stringify({
      hex: { btf: hex(btf.bytes), insns: hex(encode(list)), funcs: hex(btf.funcInfo), lines: hex(btf.lineInfo) },
      map: [key, value],
      sizes: [Key.size, Value.size],
    });
    return JSON.parse(execFileSync('python3', ['-c', LOADER], { input, encoding: 'utf8' })) as ReturnType<typeof load>;
  };

  it('takes the types, the map, the functions and the lines, and quotes the author in its log', () => {
    const result = load(instructions);
    expect(result.btfLog).toBe('');
    expect(result.btf).toBeGreaterThanOrEqual(0);
    expect(result.map).toBeGreaterThanOrEqual(0);
    expect(result.prog).toBe(-13);
    expect(result.log).toMatch(/invalid access to packet/);
    expect(result.log).toMatch(/; when\(eth\.type\.eq\(0x0800\)\) \/\/ never {2}seen( @ app-outbound\.ts:17)?\n/);
    const fine: Instruction = { ...zero, ...at(17, 'fine') };
    const checked = instructions.map((i) => (i.kind === 'load' && i.src === 'r2' ? fine : i));
    expect(load(checked).prog).toBeGreaterThanOrEqual(0);
  });
});

describeWith([tool('bpftool')], 'bpftool', () => {
  it('sees the same types', () => {
    const { btf } = btfOf([Key, Value]);
    const path = join(tempDir(), 'layouts.btf');
    writeFileSync(path, btf.bytes());
    const text = execFileSync('bpftool', ['btf', 'dump', 'file', path, 'format', 'c'], { encoding: 'utf8' });
    expect(text.replace(/\s+/g, ' ')).toContain(
      'struct flow_key { __be32 address[4]; __be16 port; __u8 mac[6]; __be32 v4; };',
    );
    expect(text.replace(/\s+/g, ' ')).toContain('struct flow { char name[16]; __u64 packets; struct pair list[2]; };');
  });
});

describeWith([file('/sys/kernel/btf/vmlinux')], 'split BTF over vmlinux', () => {
  it('may name types of the kernel', async () => {
    const { readFile } = await import('node:fs/promises');
    const base = readBtf(await readFile('/sys/kernel/btf/vmlinux'));
    const builder = new BtfBuilder({ base });
    builder.add({ kind: 'ptr', type: base.find('sk_buff', 'struct') ?? 0 });
    const split = readBtf(builder.bytes(), { base });
    const pointer = split.type(base.endId);
    expect(pointer.kind === 'ptr' ? split.type(pointer.type) : pointer).toMatchObject({
      kind: 'struct',
      name: 'sk_buff',
    });
  });
});
