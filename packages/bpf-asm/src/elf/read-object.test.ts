import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembled, clangObject, COUNT, maps } from '../../test/objects.ts';
import { isBpfAsmError } from '../error.ts';
import { lint } from '../asm/index.ts';
import { encode } from '../isa/index.ts';
import { print } from '../text/index.ts';
import { SHF, SHT, STB, STT } from './format.ts';
import { readObject, writeObject, type ObjectFile } from './index.ts';
import { writeElf } from './write-elf.ts';

function outcome(bytes: Uint8Array): ObjectFile | { code: string; message: string } {
  try {
    return readObject(bytes);
  } catch (error) {
    if (isBpfAsmError(error)) return { code: error.code, message: error.message };
    throw error;
  }
}

describe('objects that clang makes', () => {
  test.each(['filter', 'filter-big-endian'])('%s: programs, functions, maps, variables, lines', (name) => {
    const object = readObject(clangObject(name));
    expect(object.licence).toBe('Dual MIT/GPL');
    expect(
      object.programs.map((program) => [program.name, program.section, program.functions.map((f) => f.name)]),
    ).toEqual([
      ['count', 'tc', ['count', 'weigh', 'scale']],
      ['report', 'tc', ['report', 'weigh', 'scale']],
      ['sum', 'xdp', ['sum', 'add']],
    ]);
    expect(object.maps).toEqual(
      expect.arrayContaining([
        { name: 'counters', type: 'hash', keySize: 8, valueSize: 8, maxEntries: 1024, flags: 1 },
        { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
        {
          name: 'tables',
          type: 'hash_of_maps',
          keySize: 4,
          valueSize: 4,
          maxEntries: 8,
          inner: { name: 'tables.inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 16 },
        },
        { name: '.rodata', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1, flags: 0x80 },
        { name: '.data', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 },
        { name: '.bss', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 },
      ]),
    );
    expect(object.pinned).toEqual(['counters']);
    const little = object.byteOrder === 'little';
    expect(
      [...object.data].map(([map, bytes]) => [map, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, little)]),
    ).toEqual([
      ['.rodata', 7],
      ['.data', 3],
    ]);
    const [count, , sum] = object.programs;
    expect(count?.instructions[0]?.source).toMatchObject({
      file: './filter.c',
      text: 'int count(struct __sk_buff *skb)',
    });
    expect(print(count?.instructions ?? [])).toContain('r1 = map[counters]');
    expect(print(count?.instructions ?? [])).toContain('map[.bss][0]+0');
    expect(print(sum?.instructions ?? [])).toMatch(/r2 = subprog\[\+\d+\]/);
    for (const { instructions } of object.programs)
      expect(lint(instructions).filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  test('both byte orders hold the same programs', () => {
    const [little, big] = ['filter', 'filter-big-endian'].map((name) =>
      readObject(clangObject(name)).programs.map(({ functions }) => functions),
    );
    expect(little).toEqual(big);
  });

  test('what was read is written and read again', () => {
    const object = readObject(clangObject('filter'));
    const again = readObject(writeObject(object.programs, object));
    expect(again.programs).toEqual(object.programs);
    expect(again.data).toEqual(object.data);
  });

  test("maps of old loaders, no BTF, a section of the author's own", () => {
    expect(outcome(clangObject('legacy'))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('from-pod') as string,
    });
    const { programs, btf } = readObject(clangObject('legacy'), { type: 'sched_cls' });
    expect(btf).toBeUndefined();
    expect(programs).toMatchObject([{ name: 'from_pod', type: 'sched_cls', section: 'from-pod', licence: 'GPL' }]);
    expect(programs[0]?.maps).toEqual([
      { name: 'verdicts', type: 'array', keySize: 4, valueSize: 8, maxEntries: 16 },
      { name: 'seen', type: 'lru_hash', keySize: 8, valueSize: 4, maxEntries: 256, flags: 2 },
    ]);
  });

  test('a function in .text is a program where there is nothing else', () => {
    const section = {
      name: '.text',
      type: SHT.PROGBITS,
      flags: SHF.ALLOC | SHF.EXECINSTR,
      align: 8,
      bytes: encode([{ kind: 'exit' }]),
    };
    const file = writeElf(
      [section],
      [{ name: 'main', binding: STB.GLOBAL, type: STT.FUNC, section, value: 0, size: 8 }],
      'little',
    );
    expect(readObject(file, { type: 'socket_filter' }).programs).toMatchObject([
      { name: 'main', instructions: [{ kind: 'exit' }] },
    ]);
  });

  test('what only a kernel can resolve is refused by name', () => {
    expect(outcome(clangObject('core'))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(/CO-RE.* task_struct \(0:0\)/) as string,
    });
    expect(outcome(clangObject('extern'))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('LINUX_KERNEL_VERSION') as string,
    });
  });
});

describe('hostile files', () => {
  const written = writeObject([assembled('count', COUNT, { maps })]);
  const files = [written, ...['filter', 'filter-big-endian', 'legacy', 'core', 'extern'].map(clangObject)];
  const expectOutcome = (bytes: Uint8Array): void => {
    const result = outcome(bytes);
    if ('code' in result) expect(['ERR_ELF', 'ERR_BTF', 'ERR_UNSUPPORTED']).toContain(result.code);
    else expect(result.programs).toBeDefined();
  };

  test('random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), expectOutcome));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 300 }), (bytes) => {
        bytes.set(written.subarray(0, 24));
        expectOutcome(bytes);
      }),
    );
  });

  test('files cut off anywhere', () => {
    for (const file of files) for (let end = 0; end < file.length; end += 7) expectOutcome(file.subarray(0, end));
  });

  test('files with bytes changed', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.constantFrom(0, 1, 2, 4, 0x7f, 0x80, 0xff) });
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 12 }), (file, changes) => {
        const bytes = file.slice();
        for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
        expectOutcome(bytes);
      }),
      { numRuns: 1500 },
    );
  });

  test('tables of sections and symbols with words changed', () => {
    const change = fc.record({
      at: fc.nat(),
      word: fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff, 0x7fff_ffff, 8), fc.nat({ max: 4096 })),
    });
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 6 }), (file, changes) => {
        const bytes = file.slice();
        const view = new DataView(bytes.buffer);
        const table = Number(view.getBigUint64(40, bytes[5] === 1));
        const length = bytes.length - table - 4;
        for (const { at, word } of changes) view.setUint32(table + Math.floor((at % length) / 4) * 4, word, true);
        expectOutcome(bytes);
      }),
      { numRuns: 1500 },
    );
  });

  test('programs that lie on top of each other, far more in all than the file holds', () => {
    // Each of 20,000 slots begins a program that goes on to the end: 200 million instructions.
    const count = 20_000;
    const section = {
      name: 'tc',
      type: SHT.PROGBITS,
      flags: SHF.ALLOC | SHF.EXECINSTR,
      align: 8,
      bytes: new Uint8Array(8 * count),
    };
    const symbols = Array.from({ length: count }, (_, slot) => ({
      name: `p${slot}`,
      binding: STB.GLOBAL,
      type: STT.FUNC,
      section,
      value: 8 * slot,
      size: 8 * (count - slot),
    }));
    const file = writeElf([section], symbols, 'little');
    expect(outcome(file)).toMatchObject({
      code: 'ERR_ELF',
      message: expect.stringContaining('instructions together') as string,
    });
  });
});
