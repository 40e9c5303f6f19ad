import {
  ALU_CODE,
  ATOMIC_CODE,
  JUMP_CODE,
  type AluOp,
  type AtomicOp,
  type Instruction,
  type JumpOp,
} from '../src/isa/index.ts';

const keys = <K extends string>(table: Readonly<Record<K, unknown>>): K[] => Object.keys(table) as K[];
const widths = [32, 64] as const;
const types = ['u8', 'u16', 'u32', 'u64'] as const;

/**
 * A program of every instruction that the verifier of Linux 6.18 lists before it looks at what they do: registers need hold nothing in
 * particular. Each can be reached.
 *
 * @param map - file descriptor of an array map.
 */
export function* everyInstruction(map: number): Iterable<Instruction> {
  for (const width of widths) {
    for (const op of keys<AluOp>(ALU_CODE)) {
      yield { kind: 'alu', op, width, dst: 'r1', src: 'r9' };
      yield { kind: 'alu', op, width, dst: 'r2', src: -7 };
      yield { kind: 'alu', op, width, dst: 'r3', src: 0x7fff_ffff };
    }
    for (const op of keys<JumpOp>(JUMP_CODE)) {
      yield { kind: 'jump', op, width, dst: 'r1', src: 'r9', target: 0 };
      yield { kind: 'jump', op, width, dst: 'r2', src: -1, target: 1 };
      yield { kind: 'jump', op, width, dst: 'r2', src: 0, target: 0 };
    }
    for (const op of keys<AtomicOp>(ATOMIC_CODE))
      yield { kind: 'atomic', op, width, dst: 'r10', offset: -8, src: 'r2' };
    yield { kind: 'neg', width, dst: 'r4' };
    yield { kind: 'movsx', width, bits: 8, dst: 'r1', src: 'r2' };
    yield { kind: 'movsx', width, bits: 16, dst: 'r1', src: 'r2' };
  }
  yield { kind: 'movsx', width: 64, bits: 32, dst: 'r1', src: 'r2' };
  for (const bits of [16, 32, 64] as const) {
    for (const op of ['le', 'be', 'bswap'] as const) yield { kind: 'end', op, bits, dst: 'r5' };
  }
  yield { kind: 'addr_space_cast', dst: 'r1', src: 'r2', dstSpace: 0, srcSpace: 1 };
  yield { kind: 'mov_percpu', dst: 'r1', src: 'r2' };
  yield { kind: 'ld_imm64', dst: 'r1', value: { type: 'const', value: 0n } };
  yield { kind: 'ld_imm64', dst: 'r1', value: { type: 'const', value: 0xffff_ffff_0000_0001n } };
  yield { kind: 'ld_imm64', dst: 'r1', value: { type: 'map', map } };
  yield { kind: 'ld_imm64', dst: 'r1', value: { type: 'map_value', map, offset: 4 } };
  for (const type of ['s8', 's16', 's32', ...types] as const)
    yield { kind: 'load', type, dst: 'r0', src: 'r10', offset: -8 };
  for (const type of types) {
    yield { kind: 'store', type, dst: 'r10', offset: -16, src: 'r1' };
    yield { kind: 'store', type, dst: 'r1', offset: 32767, src: -5 };
    yield { kind: 'load_acquire', type, dst: 'r0', src: 'r10', offset: -8 };
    yield { kind: 'store_release', type, dst: 'r10', offset: 0, src: 'r1' };
  }
  for (const type of ['u8', 'u16', 'u32'] as const) {
    yield { kind: 'ld_abs', type, offset: -4096 };
    yield { kind: 'ld_ind', type, src: 'r3', offset: 14 };
  }
  yield { kind: 'ja', target: 1 };
  yield { kind: 'ja', target: 1 };
  yield { kind: 'ja', target: -2 };
  yield { kind: 'gotol', target: 0 };
  yield { kind: 'may_goto', target: 1 };
  yield { kind: 'call', helper: 1 };
  yield { kind: 'call', helper: 211 };
  yield { kind: 'call_local', target: 1 };
  yield { kind: 'exit' };
  yield { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 1 };
  yield { kind: 'exit' };
}
