import { describe, expect, it } from 'vitest';
import { link } from '../asm/index.ts';
import { isBpfAsmError, type BpfAsmError } from '../error.ts';
import { parse, parseItems, print } from './index.ts';

function failure(text: string): BpfAsmError {
  try {
    parse(text);
  } catch (error) {
    if (isBpfAsmError(error)) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} is taken`);
}

describe('what a hand may write', () => {
  it.each([
    ['r0=5', '(b7) r0 = 5'],
    ['r0 = 5 ll', '(18) r0 = 0x5'],
    ['r0 = -1 ll', '(18) r0 = 0xffffffffffffffff'],
    ['r0 = 0x5', '(18) r0 = 0x5'],
    ['w0 = 0xffffffff', '(b4) w0 = -1'],
    ['r0 &= 0xfffffff0', '(57) r0 &= -16'],
    ['if r1 == -1 goto pc+0', '(15) if r1 == 0xffffffff goto pc+0'],
    ['r1 = *(u32*)(r2+8)', '(61) r1 = *(u32 *)(r2 +8)'],
    ['r1 = *(u32 *)(r2)', '(61) r1 = *(u32 *)(r2 +0)'],
    ['r1 = *(u32 *)(r10 - 0x4)', '(61) r1 = *(u32 *)(r10 -4)'],
    ['call bpf_redirect_peer', '(85) call bpf_redirect_peer#155'],
    ['call 155', '(85) call bpf_redirect_peer#155'],
    ['call __htab_map_lookup_elem#330864', '(85) call unknown#330864'],
    ['call bpf_cast[1]#77', '(85) call kernel-function[1]#77'],
    ['call pc+3#bpf_prog_6deef7357e7b4530_sub', '(85) call pc+3'],
    ['r1 = map[ids]', '(18) r1 = map[ids]'],
    ['  7: (95) exit', '(95) exit'],
    ['7: (95) exit ; R0=1', '(95) exit'],
    ['(95) exit // done', '(95) exit'],
    ['exit # done', '(95) exit'],
    ['; int f(void)', ''],
    ['int f(struct __sk_buff * skb):', ''],
    ['0: R1=ctx() R10=fp0', ''],
  ])('%s', (text, printed) => {
    expect(print(parse(text), { numbers: false }).trimEnd()).toBe(printed);
  });

  it('has labels, before an instruction or on a line of their own', () => {
    const text = 'start: if r1 s> r2 goto out\ncall f\ngoto start\nout:\n\n  exit\nf: r1 = subprog[f]\nexit';
    expect(print(parse(text), { numbers: false, opcodes: false })).toBe(
      'if r1 s> r2 goto pc+2\ncall pc+2\ngoto pc-3\nexit\nr1 = subprog[-1]\nexit\n',
    );
    expect(print(parse(text), { numbers: false, opcodes: false, labels: true })).toBe(
      'L0:\nif r1 s> r2 goto L3\ncall L4\ngoto L0\nL3:\nexit\nL4:\nr1 = subprog[L4]\nexit\n',
    );
  });

  it('keeps labels for link, which names the functions and finds the file', () => {
    const items = parseItems('r0 = 0\ncall twice\nexit\ntwice:\nr0 <<= 1\nexit', { file: 'a.bpf' });
    expect(link(items).functions).toEqual([
      { name: 'main', index: 0 },
      { name: 'twice', index: 3 },
    ]);
    expect(link(items).instructions[3]?.source).toEqual({ file: 'a.bpf', line: 5, column: 1 });
    expect(() => link(parseItems('goto nowhere\nexit', { file: 'a.bpf' }))).toThrow('a.bpf:1');
  });
});

describe('what is wrong', () => {
  it.each([
    ['r0 = r12', 'ERR_SYNTAX', 1, 6, 'a register, a number'],
    ['r0 = w1', 'ERR_SYNTAX', 1, 6, 'a register'],
    ['w0 += r1', 'ERR_SYNTAX', 1, 7, 'w0 to w11'],
    ['r0 == 1', 'ERR_SYNTAX', 1, 5, 'a register'],
    ['r0 ~= 1', 'ERR_SYNTAX', 1, 4, 'an assignment'],
    ['r0 = -r1', 'ERR_SYNTAX', 1, 7, 'r0'],
    ['r0 = be16 r1', 'ERR_SYNTAX', 1, 11, 'r0'],
    ['w0 = *(u8 *)(r1 +0)', 'ERR_SYNTAX', 1, 6, 'half register'],
    ['r1 = *(u8 *)skb[0]', 'ERR_SYNTAX', 1, 7, 'r0'],
    ['r0 = 2147483648', 'ERR_OUT_OF_RANGE', 1, 6, 'll'],
    ['r0 = 0x10000000000000000', 'ERR_OUT_OF_RANGE', 1, 6, '2^64 - 1'],
    ['exit\n *(u32 *)(r1 +40000) = 0', 'ERR_OUT_OF_RANGE', 2, 14, '32767'],
    ['r1 = atomic64_xchg((u32 *)(r2 +0), r1)', 'ERR_SYNTAX', 1, 20, '(u64 *)'],
    ['r1 = atomic64_xchg((u64 *)(r2 +0), r3)', 'ERR_SYNTAX', 1, 36, 'r1'],
    ['if r1 <> r2 goto pc+1', 'ERR_SYNTAX', 1, 7, 'a comparison'],
    ['if r1 == r2', 'ERR_SYNTAX', 1, 12, 'goto'],
    ['(bf) r0 = 5', 'ERR_SYNTAX', 1, 6, 'b7'],
    ['(zz) r0 = 5', 'ERR_SYNTAX', 1, 1, 'an opcode'],
    ['goto out', 'ERR_MISSING_LABEL', 1, 1, 'out'],
    ['a: a: exit', 'ERR_DUPLICATE_LABEL', 1, 4, '"a"'],
    ['bpf_redirect: exit', 'ERR_SYNTAX', 1, 1, 'a helper'],
    ['goto pc+32768', 'ERR_OUT_OF_RANGE', 1, 8, '32767'],
    ['"abc', 'ERR_SYNTAX', 1, 1, 'a quote'],
    ['exit exit', 'ERR_SYNTAX', 1, 6, 'the end of the line'],
    ['hello', 'ERR_SYNTAX', 1, 1, 'an instruction'],
  ] as const)('%s', (text, code, line, column, words) => {
    const error = failure(text);
    expect({ code: error.code, line: error.line, column: error.column }).toEqual({ code, line, column });
    expect(error.message).toContain(words);
  });

  it('a label too far away for 16 bits, which link would relax', () => {
    const error = failure(`goto out\n${'r0 = 0\n'.repeat(40_000)}out: exit`);
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_RANGE', line: 1 });
    expect(error.hint).toContain('link');
  });

  it('a text or a dialect that is none', () => {
    expect(() => parse(5 as unknown as string)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error,
    );
    expect(() => parse('', { dialect: 'intel' as 'kernel' })).toThrow('there is no dialect intel');
    expect(() => print([{ kind: 'frob' } as never])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION' }) as Error,
    );
    expect(() => print([null as never])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION' }) as Error);
  });
});
