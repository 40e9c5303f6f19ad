import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encode, instructionFromFields, r0, r1, r2, r6, type Instruction } from '../isa/index.ts';
import * as asm from './index.ts';
import {
  add32,
  add64,
  and64,
  atomicCmpxchg64,
  be,
  jgt32,
  lddw,
  ldxw,
  loadAcquire,
  mov32,
  stw,
  type Item,
} from './index.ts';

const hex = (instruction: Instruction): string => Buffer.from(encode([instruction])).toString('hex');

describe('constructors', () => {
  it('read like the fields they set', () => {
    expect(hex(add64(r1, r2))).toBe('0f21000000000000');
    expect(hex(ldxw(r2, r1, 76))).toBe('61124c0000000000');
    expect(hex(stw(r1, -4, 7))).toBe('6201fcff07000000');
    expect(hex(atomicCmpxchg64(r1, 8, r2))).toBe('db210800f1000000');
    expect(hex(be(r0, 16))).toBe('dc00000010000000');
    expect(hex(jgt32(r0, r6, -2))).toBe('2e60feff00000000');
    expect(hex(loadAcquire('u32', r0, r1))).toBe('c310000000010000');
  });

  it('take an unsigned immediate for 32 bits and refuse it for 64, where it would change its value', () => {
    expect(mov32(r0, 0xffff_ffff)).toEqual(mov32(r0, -1));
    expect(add32(r0, 0x8000_0000)).toEqual(add32(r0, -0x8000_0000));
    expect(() => and64(r0, 0xffff_ffff)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', field: 'src', hint: 'load it into a register with lddw' }),
    );
    expect(() => add32(r0, 2 ** 32)).toThrow(/add32: field src: 4294967296/);
    expect(() => add32(r0, 1.5)).toThrow(/add32/);
  });

  it('take 64-bit numbers signed and unsigned', () => {
    expect(lddw(r0, -1n)).toEqual(lddw(r0, 2n ** 64n - 1n));
    expect(lddw(r0, 5)).toEqual(lddw(r0, 5n));
    for (const bad of [2n ** 64n, -(2n ** 63n) - 1n, 2 ** 60, 0.5])
      expect(() => lddw(r0, bad)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
  });

  it('make every instruction of the RFC', () => {
    const made = new Set<string>();
    const shape = (i: Item): string =>
      JSON.stringify({
        ...i,
        dst: 0,
        src: 'src' in i && typeof i.src === 'number' ? 'imm' : 'reg',
        offset: 0,
        target: 0,
        helper: 0,
        id: 0,
        value: i.kind === 'ld_imm64' ? i.value.type : 0,
      });
    const arguments_: unknown[][] = [
      [r0, r1, 8],
      [r0, r1, 16],
      [r0, r1, 32],
      [r0, 1, 2],
      [r0, 1, r1],
      [r0, 16],
      [r0, 32],
      [r0, 64],
      ['u8', 1, 1],
      ['u16', r1, 1],
      ['u32', r1],
      ['u8', r1],
      ['u16', 0],
      ['u32', 0],
      ['u32', r0, r1],
      [1],
      [r0, 1n],
    ];
    for (const make of Object.values(asm)) {
      if (typeof make !== 'function') continue;
      for (const given of arguments_) {
        try {
          made.add(shape((make as (...given: unknown[]) => Item)(...given)));
        } catch {
          // Most constructors refuse most of these arguments.
        }
      }
    }
    const url = new URL('../../../../../shared/vectors/rfc9669-opcodes.json', import.meta.url);
    const { appendix, missing_from_appendix: more } = JSON.parse(readFileSync(url, 'utf8')) as Record<
      string,
      { opcode: number; src: number; offset: number; imm: number }[]
    >;
    for (const row of [...(appendix ?? []), ...(more ?? [])]) {
      if (row.opcode === 0) continue;
      const pick = (value: unknown, any: number): number => (typeof value === 'number' ? value : any);
      const zero = { opcode: 0, dst: 0, src: 0, offset: 0, imm: 0 };
      const instruction = instructionFromFields(
        { opcode: row.opcode, dst: 0, src: pick(row.src, 0), offset: pick(row.offset, 0), imm: pick(row.imm, 0) },
        zero,
      );
      expect(made).toContain(shape(instruction));
    }
  });
});
