import fc from 'fast-check';
import {
  ALU_CODE,
  ATOMIC_CODE,
  instructionFromFields,
  JUMP_CODE,
  REGISTERS,
  type AluOp,
  type AtomicOp,
  type Fields,
  type Imm64,
  type Instruction,
  type JumpOp,
  type LoadType,
  type StoreType,
} from '../src/isa/index.ts';

const keys = <K extends string>(table: Readonly<Record<K, unknown>>): K[] => Object.keys(table) as K[];
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);

const register = fc.constantFrom(...REGISTERS);
const width = fc.constantFrom(32 as const, 64 as const);
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const s16 = fc.oneof(fc.integer({ min: -32768, max: 32767 }), fc.constantFrom(-32768, 32767, 0, -1));
const s32 = fc.oneof(fc.integer(), fc.constantFrom(-0x8000_0000, 0x7fff_ffff, 0, -1));
const source = fc.oneof(register, s32);
const storeType = fc.constantFrom<StoreType>('u8', 'u16', 'u32', 'u64');
const loadType = fc.constantFrom<LoadType>('u8', 'u16', 'u32', 'u64', 's8', 's16', 's32');
const legacyType = fc.constantFrom('u8' as const, 'u16' as const, 'u32' as const);

const imm64: fc.Arbitrary<Imm64> = fc.oneof(
  fc.record({ type: kind('const'), value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }),
  fc.record({ type: kind('map'), map: s32 }),
  fc.record({ type: kind('map_value'), map: s32, offset: u32 }),
  fc.record({ type: kind('btf_id'), id: s32, fd: s32 }),
  fc.record({ type: kind('func'), target: s32 }),
  fc.record({ type: kind('map_index'), index: s32 }),
  fc.record({ type: kind('map_index_value'), index: s32, offset: u32 }),
);

/** The fields of one slot, over their whole space. */
export const arbitraryFields: fc.Arbitrary<Fields> = fc.record({
  opcode: fc.integer({ min: 0, max: 0xff }),
  dst: fc.integer({ min: 0, max: 0xf }),
  src: fc.integer({ min: 0, max: 0xf }),
  offset: fc.oneof(s16, fc.constantFrom(0, 1, 8, 16, 32, -1)),
  imm: fc.oneof(s32, fc.constantFrom(0, 1, 16, 32, 64, 0x40, 0x41, 0x50, 0xa0, 0xe1, 0xf1, 0x100, 0x110)),
});

/** An instruction over the whole space of the type: every kind, every value of every field. */
export const arbitraryInstruction: fc.Arbitrary<Instruction> = fc.oneof(
  fc.record({ kind: kind('alu'), op: fc.constantFrom<AluOp>(...keys(ALU_CODE)), width, dst: register, src: source }),
  fc.record({ kind: kind('neg'), width, dst: register }),
  fc.record({
    kind: kind('movsx'),
    width: fc.constant(64 as const),
    bits: fc.constantFrom(8 as const, 16 as const, 32 as const),
    dst: register,
    src: register,
  }),
  fc.record({
    kind: kind('movsx'),
    width: fc.constant(32 as const),
    bits: fc.constantFrom(8 as const, 16 as const),
    dst: register,
    src: register,
  }),
  fc.record({
    kind: kind('end'),
    op: fc.constantFrom('le' as const, 'be' as const, 'bswap' as const),
    bits: fc.constantFrom(16 as const, 32 as const, 64 as const),
    dst: register,
  }),
  fc
    .record({ kind: kind('addr_space_cast'), dst: register, src: register, dstSpace: u16, srcSpace: u16 })
    .filter(({ dstSpace, srcSpace }) => dstSpace !== srcSpace),
  fc.record({ kind: kind('mov_percpu'), dst: register, src: register }),
  fc.record({ kind: kind('nospec') }),
  fc.record({ kind: kind('ld_imm64'), dst: register, value: imm64 }),
  fc.record({ kind: kind('load'), type: loadType, dst: register, src: register, offset: s16 }),
  fc.record({ kind: kind('store'), type: storeType, dst: register, offset: s16, src: source }),
  fc.record({
    kind: kind('atomic'),
    op: fc.constantFrom<AtomicOp>(...keys(ATOMIC_CODE)),
    width,
    dst: register,
    offset: s16,
    src: register,
  }),
  fc.record({ kind: kind('load_acquire'), type: storeType, dst: register, src: register, offset: s16 }),
  fc.record({ kind: kind('store_release'), type: storeType, dst: register, offset: s16, src: register }),
  fc.record({ kind: kind('ld_abs'), type: legacyType, offset: s32 }),
  fc.record({ kind: kind('ld_ind'), type: legacyType, src: register, offset: s32 }),
  fc.record({ kind: kind('ja'), target: s16 }),
  fc.record({ kind: kind('gotol'), target: s32 }),
  fc.record({ kind: kind('gotox'), dst: register }),
  fc.record({
    kind: kind('jump'),
    op: fc.constantFrom<JumpOp>(...keys(JUMP_CODE)),
    width,
    dst: register,
    src: source,
    target: s16,
  }),
  fc.record({ kind: kind('may_goto'), target: s16 }),
  fc.record({ kind: kind('goto_or_nop'), target: s16 }),
  fc.record({ kind: kind('call'), helper: s32 }),
  fc.record({ kind: kind('call_local'), target: s32 }),
  fc.record({ kind: kind('call_kfunc'), id: s32, offset: s16 }),
  fc.record({ kind: kind('callx'), dst: register }),
  fc.record({ kind: kind('exit') }),
  arbitraryFields.map((fields) => instructionFromFields(fields)),
);
