import { describe, expect, it } from 'vitest';
import { describeConformance } from '../../../../test/support/vectors.ts';
import { isBpfAsmError, type BpfAsmError } from '../error.ts';
import { decode, encode, type Instruction } from '../isa/index.ts';
import { parse, print } from './index.ts';

const dialect = 'conformance';
const hex = (instructions: readonly Instruction[]): string => Buffer.from(encode(instructions)).toString('hex');
const assemble = (text: string): string => hex(parse(text, { dialect }));

function failure(text: string): BpfAsmError {
  try {
    parse(text, { dialect });
  } catch (error) {
    if (isBpfAsmError(error)) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} is taken`);
}

describeConformance('the cases of the conformance suite', (cases) => {
  const assembled = cases.filter(({ insns }) => insns !== undefined);

  it('are there', () => {
    expect(assembled.length).toBeGreaterThan(150);
  });

  it.each(
    assembled
      .filter(({ asm }) => asm !== undefined)
      .map(({ name, asm, insns }) => [name, asm ?? '', insns ?? ''] as const),
  )('%s assembles', (_, asm, insns) => {
    expect(assemble(asm)).toBe(insns);
  });

  it.each(assembled.map(({ name, insns }) => [name, insns ?? ''] as const))('%s disassembles', (_, insns) => {
    const instructions = decode(Buffer.from(insns, 'hex'));
    expect(assemble(print(instructions, { dialect }))).toBe(insns);
    expect(assemble(print(instructions, { dialect, labels: true }))).toBe(insns);
    expect(hex(parse(print(instructions)))).toBe(insns);
  });

  it.each(cases.filter((one) => one.assembler_error !== undefined).map(({ name, asm }) => [name, asm ?? ''] as const))(
    '%s is refused with its place',
    (_, asm) => {
      const error = failure(asm);
      expect(asm.split('\n')[(error.line ?? 0) - 1]).toMatch(/ldxq|0x10000|%r50/);
      expect(error.column).toBeGreaterThan(0);
    },
  );
});

// Bytes by RFC 9669 and linux/bpf.h, written down by hand: what the half of the suite at hand does not contain.
describe('the rest of the grammar', () => {
  it.each([
    ['call %r3', '8d03000000000000'],
    ['call helper %r3', '8d03000000000000'],
    ['call 5', '8500000005000000'],
    ['call helper 0x5', '8500000005000000'],
    ['call runtime 5', '8520000005000000'],
    ['call runtime[2] 5', '8520020005000000'],
    ['call local +1', '8510000001000000'],
    ['ja +0x10', '0500100000000000'],
    ['ja32 -1', '06000000ffffffff'],
    ['jslt32 %r1, %r2, -2', 'ce21feff00000000'],
    ['jset %r1, 0xffffffff, +1', '45010100ffffffff'],
    ['le64 %r1', 'd401000040000000'],
    ['bswap32 %r1', 'd701000020000000'],
    ['swap32 %r1', 'd701000020000000'],
    ['movsx1664 %r1, %r2', 'bf21100000000000'],
    ['movsx832 %r1, %r2', 'bc21080000000000'],
    ['sdiv %r1, -1', '37010100ffffffff'],
    ['smod32 %r1, %r2', '9c21010000000000'],
    ['arsh32 %r1, 0xffffffff', 'c4010000ffffffff'],
    ['mov32 %r1, -0x80000000', 'b401000000000080'],
    ['mov r0, r1', 'bf10000000000000'],
    ['lddw r0, 0x80000000', '18000000000000800000000000000000'],
    ['stxw [r10 - 4], r2', '632afcff00000000'],
    ['call bpf_map_lookup_elem', '8500000001000000'],
    ['call helper bpf_ktime_get_ns', '8500000005000000'],
    ['call r3', '8d03000000000000'],
    ['ldxsb %r1, [%r2]', '9121000000000000'],
    ['ldxdw %r1, [%r2-0x8]', '7921f8ff00000000'],
    ['stdw [%r10-8], -1', '7a0af8ffffffffff'],
    ['stxb [%r10+1], %r1', '731a010000000000'],
    ['lock add32 [%r1+4], %r2', 'c321040000000000'],
    ['lock fetch or [%r1], %r2', 'db21000041000000'],
    ['lock cmpxchg [%r1], %r2', 'db210000f1000000'],
    ['ldabsw 4', '2000000004000000'],
    ['ldindh %r1, -1', '48100000ffffffff'],
    ['lddw %r1, -1', '18010000ffffffff00000000ffffffff'],
    ['lddw %r1, map[id:5][0]+16', '18210000050000000000000010000000'],
    ['raw code=0x07 dst=0 src=1 off=0 imm=1', '0710000001000000'],
    ['  mov %r0,1 # one', 'b700000001000000'],
    ['start: mov %r0, 1 // one', 'b700000001000000'],
  ])('%s', (text, bytes) => {
    expect(assemble(text)).toBe(bytes);
  });

  it('has the label exit at the first exit, unless the text has its own', () => {
    expect(assemble('jeq %r1, 0, exit\nmov %r0, 1\nexit\nexit')).toBe(
      assemble('jeq %r1, 0, +1\nmov %r0, 1\nexit\nexit'),
    );
    expect(assemble('jeq %r1, 0, exit\nexit\nexit:\nexit')).toBe(assemble('jeq %r1, 0, +1\nexit\nexit'));
  });

  it.each([
    ['mov %r0', 'ERR_SYNTAX', 1, 8, '","'],
    ['mov %r0, 1 2', 'ERR_SYNTAX', 1, 12, 'the end of the line'],
    ['mov %r12, 1', 'ERR_SYNTAX', 1, 5, 'a register'],
    ['mov32 %r0, 2147483648', 'ERR_OUT_OF_RANGE', 1, 12, '2147483647'],
    ['mov32 %r0, 0x100000000', 'ERR_OUT_OF_RANGE', 1, 12, '4294967295'],
    ['call not_a_valid_mode 1', 'ERR_SYNTAX', 1, 6, 'a helper, a register, or "helper"'],
    ['call bpf_not_a_real_helper', 'ERR_SYNTAX', 1, 6, 'a helper'],
    ['call helper %r12', 'ERR_SYNTAX', 1, 13, 'a register'],
    ['ldxb r0, r1', 'ERR_SYNTAX', 1, 10, '"["'],
    ['lock or [r10-8]', 'ERR_SYNTAX', 1, 16, '","'],
    ['lock', 'ERR_SYNTAX', 1, 5, 'an atomic operation'],
    ['ldxb %r0, [%r1+-8]', 'ERR_SYNTAX', 1, 16, 'a number of bytes'],
    ['ldxb %r0, [%r1+0x10000]', 'ERR_OUT_OF_RANGE', 1, 15, '32767'],
    ['exit\n  frob %r1', 'ERR_SYNTAX', 2, 3, 'a mnemonic'],
    ['ja nowhere', 'ERR_MISSING_LABEL', 1, 1, 'nowhere'],
    ['a:\nexit\na:', 'ERR_DUPLICATE_LABEL', 3, 1, '"a"'],
    ['lock sub [%r1], %r2', 'ERR_SYNTAX', 1, 6, 'an atomic operation'],
    ['ja +32768', 'ERR_OUT_OF_RANGE', 1, 4, '32767'],
    ['lddw %r0, 0x10000000000000000', 'ERR_OUT_OF_RANGE', 1, 11, '2^64 - 1'],
    ['ldxb %r0, [%r1+', 'ERR_SYNTAX', 1, 16, 'a number of bytes'],
  ] as const)('%s is an error', (text, code, line, column, words) => {
    const error = failure(text);
    expect({ code: error.code, line: error.line, column: error.column }).toEqual({ code, line, column });
    expect(error.message).toContain(words);
  });
});
