import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeWith, file, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { isBpfAsmError } from '../error.ts';
import { arbitraryTypes } from '../../test/arbitrary-btf.ts';
import { BtfBuilder, readBtf, referencesOf, writeBtf, type Btf, type BtfInt, type BtfType } from './index.ts';

const VMLINUX = '/sys/kernel/btf/vmlinux';
const int: BtfInt = { kind: 'int', name: 'int', size: 4, bits: 32, bitOffset: 0, encoding: 'signed' };
const typesOf = (btf: Btf): BtfType[] => Array.from(btf, ([, type]) => type);
const attempt = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe('reading what was written', () => {
  it('gives back every type in both byte orders', () => {
    fc.assert(
      fc.property(arbitraryTypes, fc.constantFrom('little' as const, 'big' as const), (types, byteOrder) => {
        const btf = readBtf(writeBtf(types, { byteOrder }));
        expect(btf.byteOrder).toBe(byteOrder);
        expect(typesOf(btf)).toEqual(types);
      }),
      { numRuns: 1000 },
    );
  });

  it('goes on where a base ends', () => {
    const base = readBtf(writeBtf([int, { kind: 'typedef', name: 'number', type: 1 }]));
    const split = readBtf(
      writeBtf(
        [
          { kind: 'ptr', type: 2 },
          { kind: 'typedef', name: 'own', type: 3 },
        ],
        { base },
      ),
      { base },
    );
    expect([split.firstId, split.endId]).toEqual([3, 5]);
    expect(split.type(2)).toEqual({ kind: 'typedef', name: 'number', type: 1 });
    expect(split.type(4)).toEqual({ kind: 'typedef', name: 'own', type: 3 });
    expect([split.find('int'), split.find('own', 'typedef'), split.find('own', 'struct'), split.find('none')]).toEqual([
      1,
      4,
      undefined,
      undefined,
    ]);
    expect(attempt(() => readBtf(writeBtf([int], { byteOrder: 'big' }), { base }))).toMatchObject({ code: 'ERR_BTF' });
  });

  it('has an error for an id that is not there', () => {
    const btf = readBtf(writeBtf([int]));
    expect(
      [0, 2, -1, 0.5, Number.NaN].map((id) =>
        isBpfAsmError(
          attempt(() => btf.type(id)),
          'ERR_BTF',
        ),
      ),
    ).toEqual([true, true, true, true, true]);
  });
});

describe('the header of newer kernels', () => {
  /** One type of kind 30 with three elements of 8 bytes after 4, between two integers, and its kind layout. */
  const withLayout = (elementSize: number): Uint8Array => {
    const types = [
      [1, 1 << 24, 4, 0x0100_0020],
      [1, (30 << 24) | 3, 7, 9, 1, 2, 3, 4, 5, 6],
      [1, 1 << 24, 4, 0x0100_0020],
    ].flat();
    const strings = Buffer.from('\0int\0\0\0\0');
    const layout = Buffer.alloc(4 * 31);
    layout.writeUInt8(4, 120);
    layout.writeUInt8(elementSize, 121);
    const header = Buffer.alloc(32);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    [
      32,
      0,
      4 * types.length,
      4 * types.length,
      strings.length,
      4 * types.length + strings.length,
      layout.length,
    ].forEach((word, i) => header.writeUInt32LE(word, 4 + 4 * i));
    return Buffer.concat([header, Buffer.from(Uint32Array.from(types).buffer), strings, layout]);
  };

  it('lets unknown kinds be skipped', () => {
    const btf = readBtf(withLayout(8));
    expect(btf.endId).toBe(4);
    expect(btf.type(3)).toEqual(int);
    expect(btf.type(2)).toEqual({
      kind: 'unknown',
      code: 30,
      name: 'int',
      vlen: 3,
      flag: false,
      sizeOrType: 7,
      data: new Uint8Array(Uint32Array.from([9, 1, 2, 3, 4, 5, 6]).buffer),
    });
    expect(attempt(() => writeBtf([btf.type(2)]))).toMatchObject({ code: 'ERR_BTF', field: 'kind' });
  });

  it('is refused where it does not fit', () => {
    expect(attempt(() => readBtf(withLayout(255)))).toMatchObject({ code: 'ERR_BTF', byteOffset: 16 });
    const unknown = writeBtf([int]);
    unknown[24 + 7] = 30;
    expect(String(attempt(() => readBtf(unknown)))).toMatch(
      /type 1 is of kind 30, which is not known and has no kind layout/,
    );
  });
});

describe('the builder', () => {
  it('has each type once, and each string once', () => {
    const btf = new BtfBuilder();
    expect([
      btf.add(int),
      btf.add({ ...int }),
      btf.add({ kind: 'ptr', type: 1 }),
      btf.add({ kind: 'ptr', type: 1 }),
    ]).toEqual([1, 1, 2, 2]);
    expect(btf.append(int)).toBe(3);
    const variable = { kind: 'var', name: 'x', type: 1, linkage: 'global' } as const;
    expect([btf.add(variable), btf.add(variable)]).toEqual([4, 5]);
    expect(btf.string('int')).toBe(1);
    expect(btf.string('x')).toBe(5);
    expect(btf.string('new')).toBe(7);
    expect(btf.bytes().length).toBe(24 + 16 + 12 + 16 + 16 + 16 + 11);
  });

  it('takes a type that names itself', () => {
    const node = (next: number): BtfType => ({
      kind: 'struct',
      name: 'node',
      size: 8,
      members: [{ name: 'next', type: next, bitOffset: 0, bitSize: 0 }],
    });
    const btf = new BtfBuilder();
    const pointer = btf.add({ kind: 'ptr', type: btf.nextId + 1 });
    btf.add(node(pointer));
    expect(typesOf(readBtf(btf.bytes()))).toEqual([{ kind: 'ptr', type: 2 }, node(1)]);
  });

  it.each<[string, BtfType]>([
    ['a name with NUL', { ...int, name: 'a\0b' }],
    ['a negative size', { ...int, size: -1 }],
    ['an encoding that is none', { ...int, encoding: 'odd' as never }],
    ['a type that is not there', { kind: 'ptr', type: 7 }],
    ['a type that is no number', { kind: 'ptr', type: Number.NaN }],
    ['a linkage that is none', { kind: 'func', name: 'f', type: 0, linkage: 'weak' as never }],
    [
      'an unsigned value below zero',
      { kind: 'enum', name: 'e', size: 4, signed: false, values: [{ name: 'a', value: -1 }] },
    ],
    [
      'a value of 65 bits',
      { kind: 'enum64', name: 'e', size: 8, signed: false, values: [{ name: 'a', value: 1n << 64n }] },
    ],
    [
      'a far bit field',
      { kind: 'struct', name: 's', size: 4, members: [{ name: 'a', type: 0, bitOffset: 1 << 24, bitSize: 1 }] },
    ],
    [
      'too many elements',
      { kind: 'func_proto', returns: 0, params: Array.from({ length: 65536 }, () => ({ name: '', type: 0 })) },
    ],
  ])('refuses %s', (_, type) => {
    expect(attempt(() => writeBtf([type]))).toMatchObject({ code: 'ERR_BTF' });
  });
});

describe('hostile input', () => {
  const safe = (bytes: Uint8Array): void => {
    const outcome = attempt(() => typesOf(readBtf(bytes)));
    expect(Array.isArray(outcome) || isBpfAsmError(outcome, 'ERR_BTF')).toBe(true);
    // What was accepted names only types that there are.
    if (Array.isArray(outcome))
      for (const type of outcome as BtfType[])
        referencesOf(type).forEach((id) => expect(id).toBeLessThanOrEqual(outcome.length));
  };
  const header = [0x9f, 0xeb, 1, 0, 24, 0, 0, 0];

  it('is an error or a value: random bytes', () => {
    expect(attempt(() => readBtf('BTF' as never))).toMatchObject({ code: 'ERR_BTF' });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), safe), { numRuns: 500 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => safe(Uint8Array.from([...header, ...bytes]))),
      { numRuns: 1000 },
    );
  });

  it('is an error or a value: BTF with a few bytes changed or cut off', () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)));
    fc.assert(
      fc.property(arbitraryTypes, fc.array(change, { maxLength: 4 }), fc.nat(), (types, changes, cut) => {
        const bytes = writeBtf(types);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        safe(bytes);
        safe(bytes.subarray(0, cut % bytes.length));
      }),
      { numRuns: 2000 },
    );
  });
});

describeWith([file(VMLINUX), tool('bpftool')], 'BTF of the running kernel', () => {
  const dump = (path: string): string =>
    execFileSync('bpftool', ['btf', 'dump', 'file', path, 'format', 'raw'], { encoding: 'utf8', maxBuffer: 2 ** 28 });

  it('is read in full and written again so that bpftool sees the same types', () => {
    const btf = readBtf(readFileSync(VMLINUX));
    const types = typesOf(btf);
    expect(types.length).toBeGreaterThan(10_000);
    const path = join(tempDir(), 'vmlinux.btf');
    writeFileSync(path, writeBtf(types));
    expect(dump(path) === dump(VMLINUX)).toBe(true);
    const task = btf.find('task_struct', 'struct');
    expect(task === undefined ? undefined : btf.type(task)).toMatchObject({ kind: 'struct', name: 'task_struct' });
  }, 60_000);

  it('is an error or a value with a byte changed', () => {
    const bytes = new Uint8Array(readFileSync(VMLINUX));
    for (const at of [8, 12, 16, 20, 24 + 7, bytes.length >> 1, bytes.length - 1]) {
      const changed = bytes.slice();
      changed[at] = 0xee;
      const outcome = attempt(() => readBtf(changed));
      expect(isBpfAsmError(outcome, 'ERR_BTF') || (outcome as Btf).endId > 10_000).toBe(true);
    }
  }, 60_000);

  it('is continued by that of the modules', () => {
    const modules = readdirSync('/sys/kernel/btf').filter((name) => name !== 'vmlinux');
    const base = readBtf(readFileSync(VMLINUX));
    for (const name of modules)
      expect(readBtf(readFileSync(join('/sys/kernel/btf', name)), { base }).firstId).toBe(base.endId);
    expect(readBtf(writeBtf([], { base }), { base }).endId).toBe(base.endId);
  }, 60_000);
});
