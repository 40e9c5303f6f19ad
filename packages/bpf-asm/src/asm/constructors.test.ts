import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { encode, r0, r1, r2, r6, type Instruction } from '../isa/index.ts';
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
});

/** The same instruction, made by the constructor that is named after it. */
function made(i: Instruction): Item {
  const name = (text: string): ((...given: unknown[]) => Item) =>
    Reflect.get(asm, text) as (...given: unknown[]) => Item;
  const letter = { u8: 'b', u16: 'h', u32: 'w', u64: 'dw', s8: 'sb', s16: 'sh', s32: 'sw' } as const;
  switch (i.kind) {
    case 'alu':
      return name(`${i.op}${i.width}`)(i.dst, i.src);
    case 'jump':
      return name(`${i.op}${i.width === 32 ? '32' : ''}`)(i.dst, i.src, i.target);
    case 'neg':
      return name(`neg${i.width}`)(i.dst);
    case 'movsx':
      return name(`movsx${i.width}`)(i.dst, i.src, i.bits);
    case 'end':
      return name(i.op)(i.dst, i.bits);
    case 'load':
      return name(`ldx${letter[i.type]}`)(i.dst, i.src, i.offset);
    case 'store':
      return name(`st${letter[i.type]}`)(i.dst, i.offset, i.src);
    case 'atomic': {
      const camel = i.op.replaceAll(/(?:^|_)([a-z])/g, (_, first: string) => first.toUpperCase());
      return name(`atomic${camel}${i.width}`)(i.dst, i.offset, i.src);
    }
    case 'ld_imm64':
      switch (i.value.type) {
        case 'const':
          return asm.lddw(i.dst, i.value.value);
        case 'map':
          return asm.ldMap(i.dst, i.value.map);
        case 'map_value':
          return asm.ldMapValue(i.dst, i.value.map, i.value.offset);
        case 'btf_id':
          return asm.ldBtfId(i.dst, i.value.id, i.value.fd);
        case 'func':
          return asm.ldFunction(i.dst, i.value.target);
        case 'map_index':
          return asm.ldMapIndex(i.dst, i.value.index);
        case 'map_index_value':
          return asm.ldMapIndexValue(i.dst, i.value.index, i.value.offset);
      }
    // falls through
    case 'ld_abs':
      return asm.ldAbs(i.type, i.offset);
    case 'ld_ind':
      return asm.ldInd(i.type, i.src, i.offset);
    case 'load_acquire':
      return asm.loadAcquire(i.type, i.dst, i.src, i.offset);
    case 'store_release':
      return asm.storeRelease(i.type, i.dst, i.offset, i.src);
    case 'addr_space_cast':
      return asm.addrSpaceCast(i.dst, i.src, i.dstSpace, i.srcSpace);
    case 'ja':
      return asm.ja(i.target);
    case 'gotol':
      return asm.gotol(i.target);
    case 'gotox':
      return asm.gotox(i.dst);
    case 'may_goto':
      return asm.mayGoto(i.target);
    case 'call':
      return asm.call(i.helper);
    case 'call_local':
      return asm.callLocal(i.target);
    case 'call_kfunc':
      return asm.callKfunc(i.id, i.offset);
    case 'callx':
      return asm.callx(i.dst);
    case 'exit':
      return asm.exit();
    case 'nospec':
    case 'mov_percpu':
    case 'goto_or_nop':
    case 'raw':
      return i; // Nobody may write these, so there is no constructor.
  }
}

it('make every instruction', () => {
  fc.assert(
    fc.property(arbitraryInstruction, (instruction) => {
      expect(made(instruction)).toEqual(instruction);
    }),
    { numRuns: 5000 },
  );
});
