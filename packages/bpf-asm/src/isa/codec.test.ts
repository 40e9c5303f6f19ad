import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeOpcodes, type OpcodeRow } from '../../../../test/support/vectors.ts';
import { arbitraryFields, arbitraryInstruction } from '../../test/arbitrary.ts';
import { decode, encode, slotsOf, type ByteOrder, type Fields, type Instruction } from './index.ts';

const runs = { numRuns: 5000 };
const orders: readonly ByteOrder[] = ['little', 'big'];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (f: Fields): Uint8Array => {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, f.opcode);
  view.setUint8(1, (f.src << 4) | f.dst);
  view.setInt16(2, f.offset, true);
  view.setInt32(4, f.imm, true);
  return new Uint8Array(view.buffer);
};

describe.each(orders)('the codec in %s endian', (byteOrder) => {
  it('gives back every sequence of slots byte for byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => {
        const whole = bytes.subarray(0, bytes.length - (bytes.length % 8));
        expect(encode(decode(whole, { byteOrder }), { byteOrder })).toEqual(new Uint8Array(whole));
      }),
      runs,
    );
  });

  it('gives back slots whose fields are near the known ones', () => {
    fc.assert(
      fc.property(fc.array(arbitraryFields, { maxLength: 8 }), (slots) => {
        const bytes = new Uint8Array(Buffer.concat(slots.map(bytesOf)));
        expect(encode(decode(bytes, { byteOrder }), { byteOrder })).toEqual(bytes);
      }),
      runs,
    );
  });

  it('gives back every instruction', () => {
    fc.assert(
      fc.property(arbitraryInstruction, (instruction) => {
        const bytes = encode([instruction], { byteOrder });
        expect(bytes.length).toBe(8 * slotsOf(instruction));
        expect(decode(bytes, { byteOrder })).toEqual([instruction]);
      }),
      runs,
    );
  });
});

it('puts the destination in the low half of the register byte in little endian and in the high half in big endian', () => {
  const add: Instruction = { kind: 'alu', op: 'add', width: 64, dst: 'r1', src: 'r2' };
  expect(hex(encode([add]))).toBe('0f21000000000000');
  expect(hex(encode([add], { byteOrder: 'big' }))).toBe('0f12000000000000');
  const store: Instruction = { kind: 'store', type: 'u32', dst: 'r10', offset: -4, src: 0x01020304 };
  expect(hex(encode([store]))).toBe('620afcff04030201');
  expect(hex(encode([store], { byteOrder: 'big' }))).toBe('62a0fffc01020304');
});

it('decodes a view into a larger buffer', () => {
  const bytes = new Uint8Array([0xff, 0x95, 0, 0, 0, 0, 0, 0, 0, 0xff]);
  expect(decode(bytes.subarray(1, 9))).toEqual([{ kind: 'exit' }]);
});

describeOpcodes('RFC 9669, appendix of opcodes', (rows) => {
  /** The pseudo code that the appendix uses, said from our instruction. */
  const say = (i: Instruction): string => {
    const symbols: Record<string, string> = {
      add: '+',
      sub: '-',
      mul: '*',
      div: '/',
      or: '|',
      and: '&',
      lsh: '<<',
      rsh: '>>',
      mod: '%',
      xor: '^',
      arsh: 's>>',
      sdiv: 's/',
      smod: 's%',
    };
    const compare: Record<string, string> = {
      jeq: '==',
      jne: '!=',
      jgt: '>',
      jge: '>=',
      jlt: '<',
      jle: '<=',
      jset: '&',
      jsgt: 's>',
      jsge: 's>=',
      jslt: 's<',
      jsle: 's<=',
    };
    switch (i.kind) {
      case 'alu':
        return `${i.op === 'mov' ? 'mov' : symbols[i.op]} ${i.width} ${typeof i.src === 'number' ? 'imm' : 'src'}`;
      case 'jump':
        return `if ${i.width} ${compare[i.op]} ${typeof i.src === 'number' ? 'imm' : 'src'}`;
      case 'ld_imm64':
        return `imm64 ${i.value.type}`;
      default:
        return i.kind;
    }
  };
  const describeRow = ({ opcode, description: text, group }: OpcodeRow): string | undefined => {
    const width = [4, 6].includes(opcode & 7) ? 32 : 64;
    const side = (opcode & 8) !== 0 ? 'src' : 'imm';
    if (opcode === 0) return 'raw';
    if (opcode === 0x18)
      return `imm64 ${['const', 'map', 'map_value', 'btf_id', 'func', 'map_index', 'map_index_value'][rows.filter((r) => r.opcode === 0x18).findIndex((r) => r.description === text)]}`;
    if (group === 'packet') return (opcode & 0xe0) === 0x20 ? 'ld_abs' : 'ld_ind';
    if (text.startsWith('if ')) return `if ${width} ${/ (s?[<>]=?|==|!=|&) /.exec(text)?.[1]} ${side}`;
    if (text === 'goto +offset') return 'ja';
    if (text === 'goto +imm') return 'gotol';
    if (text === 'call helper function by static ID') return 'call';
    if (text === 'call PC += imm') return 'call_local';
    if (text === 'call helper function by BTF ID') return 'call_kfunc';
    if (text === 'return') return 'exit';
    if (/atomic_fetch|xchg|^lock/.test(text)) return 'atomic';
    if (text.startsWith('*')) return 'store';
    if (text.startsWith('dst = *')) return 'load';
    if (/hto[lb]e|bswap/.test(text)) return 'end';
    if (/^dst = (\(u32\))?-dst/.test(text)) return 'neg';
    if (/\(s(8|16|32)\) src$/.test(text)) return 'movsx';
    if (/^dst = (\(u32\) )?(imm|src)$/.test(text)) return `mov ${width} ${side}`;
    const op = /(s>>|s\/|s%|<<|>>|[+*/%|&^]|-)=? ?\(?(s32|u32)?\)?(imm|src)/.exec(
      text.replaceAll(/\(imm != 0\)|\(src != 0\)/g, ''),
    )?.[1];
    return op === undefined ? undefined : `${op} ${width} ${side}`;
  };

  it.each(rows.map((row) => [row.description, row] as const))('%s', (_, row) => {
    const pick = (value: number | 'any', any: number): number => (value === 'any' ? any : value);
    const variants = row.opcode === 0 ? [0] : [0, 1, 5];
    for (const v of variants) {
      const second = row.opcode === 0x18 ? new Uint8Array(8) : new Uint8Array(0);
      const fields = {
        opcode: row.opcode,
        dst: /dst/.test(row.description) ? v : 0,
        src: pick(row.src, v),
        offset: pick(row.offset, v - 3),
        imm: pick(row.imm, v - 2),
      };
      const bytes = new Uint8Array(Buffer.concat([bytesOf(fields), second]));
      const [instruction, ...rest] = decode(bytes);
      expect(rest).toEqual([]);
      expect(say(instruction as Instruction)).toBe(describeRow(row));
      expect(encode([instruction as Instruction])).toEqual(bytes);
    }
  });
});

describe('what encoding refuses', () => {
  const source = { file: 'filter.ts', line: 3, column: 1 };
  const exit: Instruction = { kind: 'exit' };
  const cases: [string, unknown, string, string][] = [
    [
      'an immediate beyond 32 bits',
      { kind: 'alu', op: 'add', width: 64, dst: 'r0', src: 2 ** 32 + 7 },
      'ERR_OUT_OF_RANGE',
      'src',
    ],
    [
      'an unsigned immediate, which 64-bit arithmetic would sign-extend',
      { kind: 'alu', op: 'and', width: 64, dst: 'r0', src: 0xffff_ffff },
      'ERR_OUT_OF_RANGE',
      'src',
    ],
    ['a fraction', { kind: 'store', type: 'u8', dst: 'r1', offset: 0.5, src: 1 }, 'ERR_OUT_OF_RANGE', 'offset'],
    [
      'a jump beyond 16 bits',
      { kind: 'jump', op: 'jeq', width: 64, dst: 'r0', src: 0, target: 40_000 },
      'ERR_OUT_OF_RANGE',
      'target',
    ],
    ['NaN', { kind: 'call', helper: Number.NaN }, 'ERR_OUT_OF_RANGE', 'helper'],
    [
      'a negative 64-bit immediate',
      { kind: 'ld_imm64', dst: 'r1', value: { type: 'const', value: -1n } },
      'ERR_OUT_OF_RANGE',
      'value',
    ],
    [
      'a number for a 64-bit immediate',
      { kind: 'ld_imm64', dst: 'r1', value: { type: 'const', value: 1 } },
      'ERR_OUT_OF_RANGE',
      'value',
    ],
    ['an unknown register', { kind: 'neg', width: 64, dst: 'r12' }, 'ERR_INVALID_INSTRUCTION', 'dst'],
    ['an unknown operation', { kind: 'alu', op: 'pow', width: 64, dst: 'r0', src: 1 }, 'ERR_INVALID_INSTRUCTION', 'op'],
    [
      'a width that does not exist',
      { kind: 'alu', op: 'add', width: 16, dst: 'r0', src: 1 },
      'ERR_INVALID_INSTRUCTION',
      'width',
    ],
    [
      'a 32-bit move that sign-extends 32 bits',
      { kind: 'movsx', width: 32, bits: 32, dst: 'r0', src: 'r1' },
      'ERR_INVALID_INSTRUCTION',
      'bits',
    ],
    [
      'a sign-extending move of no width',
      { kind: 'movsx', width: 8, bits: 8, dst: 'r0', src: 'r1' },
      'ERR_INVALID_INSTRUCTION',
      'width',
    ],
    [
      'a cast to the same address space',
      { kind: 'addr_space_cast', dst: 'r0', src: 'r1', dstSpace: 1, srcSpace: 1 },
      'ERR_INVALID_INSTRUCTION',
      'dstSpace',
    ],
    ['an unknown kind', { kind: 'jump_if' }, 'ERR_INVALID_INSTRUCTION', 'kind'],
    [
      'a name that every object inherits',
      { kind: 'alu', op: 'toString', width: 64, dst: 'constructor', src: 1 },
      'ERR_INVALID_INSTRUCTION',
      'op',
    ],
    ['a label', { kind: 'ja', target: 'out' }, 'ERR_UNRESOLVED', 'target'],
    [
      'the name of a map',
      { kind: 'ld_imm64', dst: 'r1', value: { type: 'map', map: 'pods' } },
      'ERR_UNRESOLVED',
      'map',
    ],
    [
      'a raw opcode beyond a byte',
      { kind: 'raw', opcode: 256, dst: 0, src: 0, offset: 0, imm: 0 },
      'ERR_OUT_OF_RANGE',
      'opcode',
    ],
    [
      'raw fields of a known instruction',
      { kind: 'raw', opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 },
      'ERR_INVALID_INSTRUCTION',
      'opcode',
    ],
    ['a bigint', { kind: 'load', type: 'u8', dst: 'r1', src: 'r2', offset: 8n }, 'ERR_OUT_OF_RANGE', 'offset'],
    ['an array for a register', { kind: 'neg', width: 64, dst: ['r1'] }, 'ERR_INVALID_INSTRUCTION', 'dst'],
    ['a symbol', { kind: 'alu', op: Symbol('add'), width: 64, dst: 'r1', src: 1 }, 'ERR_INVALID_INSTRUCTION', 'op'],
    ['a missing value', { kind: 'ld_imm64', dst: 'r1' }, 'ERR_INVALID_INSTRUCTION', 'value'],
  ];

  it.each(cases)('%s', (_, value, code, field) => {
    const instruction = { ...(value as Instruction), source };
    expect(() => encode([exit, instruction])).toThrow(
      expect.objectContaining({ name: 'BpfAsmError', code, field, instruction: 1, source }),
    );
  });

  it('two raw slots that together are a 64-bit immediate load', () => {
    const first: Instruction = { kind: 'raw', opcode: 0x18, dst: 1, src: 0, offset: 0, imm: 1 };
    const second: Instruction = { kind: 'raw', opcode: 0, dst: 0, src: 0, offset: 0, imm: 1 };
    expect(encode([first]).length).toBe(8);
    expect(() => encode([first, second])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION', instruction: 0 }),
    );
  });
});

it.each([undefined, null, 5, 'exit'])('refuses %j in the place of an instruction', (value) => {
  expect(() => encode([{ kind: 'exit' }, value as unknown as Instruction])).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION', instruction: 1 }),
  );
});

it('refuses what is no list of instructions, no bytes, and no byte order', () => {
  const wrong = expect.objectContaining({ name: 'BpfAsmError', code: 'ERR_INVALID_ARGUMENT' }) as Error;
  expect(() => encode(undefined as unknown as Instruction[])).toThrow(wrong);
  expect(() => decode('b7' as unknown as Uint8Array)).toThrow(wrong);
  expect(() => encode([], { byteOrder: 'middle' as 'big' })).toThrow(wrong);
  expect(() => decode(new Uint8Array(8), { byteOrder: 'middle' as 'big' })).toThrow(wrong);
});

it('refuses bytes that are not whole slots', () => {
  expect(() => decode(new Uint8Array(12))).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_LENGTH', byteOffset: 8 }),
  );
});

it('encodes a slot after a wide load at its own place', () => {
  const program: Instruction[] = [
    { kind: 'ld_imm64', dst: 'r1', value: { type: 'map_value', map: 7, offset: 0xffff_fff0 } },
    { kind: 'exit' },
  ];
  expect(hex(encode(program))).toBe('182100000700000000000000f0ffffff9500000000000000');
});
