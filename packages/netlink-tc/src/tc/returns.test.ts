import fc from 'fast-check';
import { parse, runProgram, type Instruction } from 'bpf-asm';
import { describe, expect, test } from 'vitest';
import { tcHelperResult, translatedHelpers } from './helpers.ts';
import { returnsOf } from './returns.ts';

const program = (text: string): Instruction[] => parse(text, { dialect: 'conformance' });
const codes = (text: string): string => {
  const { codes: known, unknown } = returnsOf(program(text), tcHelperResult());
  return [...known, ...(unknown ? ['?'] : [])].join(' ');
};

test.each([
  ['a constant', 'mov %r0, 0\nexit', '0'],
  ['minus one, 32 bits wide', 'mov32 %r0, -1\nexit', '-1'],
  ['either of two by a branch on the unknown', 'mov %r0, 0\nldxw %r2, [%r1]\njeq %r2, 5, +1\nmov %r0, 2\nexit', '0 2'],
  ['several exits', 'ldxw %r2, [%r1]\njeq %r2, 5, +2\nmov %r0, 2\nexit\nmov %r0, 7\nexit', '2 7'],
  ['through another register', 'mov %r6, 3\nmov %r0, %r6\nexit', '3'],
  ['through the stack', 'mov %r6, 3\nstxdw [%r10-8], %r6\nmov %r6, 0\nldxdw %r0, [%r10-8]\nexit', '3'],
  ['through half of the stack slot', 'stdw [%r10-8], 3\nldxw %r0, [%r10-8]\nexit', '?'],
  ['over a slot that was overwritten in part', 'stdw [%r10-8], 3\nstw [%r10-4], 1\nldxdw %r0, [%r10-8]\nexit', '?'],
  [
    'over a slot that a pointer may have changed',
    'stdw [%r10-8], 3\nmov %r2, %r10\nstb [%r2-8], 1\nldxdw %r0, [%r10-8]\nexit',
    '?',
  ],
  ['computed', 'mov %r0, 3\nlsh %r0, 2\nadd %r0, -5\nexit', '7'],
  ['a value that only the taken way can have', 'ldxw %r0, [%r1]\njeq %r0, 2, +1\nmov %r0, 0\nexit', '0 2'],
  ['a way that cannot be', 'mov %r2, 1\nmov %r0, 0\njeq %r2, 1, +1\nmov %r0, 2\nexit', '0'],
  ['read from memory', 'ldxw %r0, [%r1]\nexit', '?'],
  ['known here and unknown there', 'ldxw %r2, [%r1]\njeq %r2, 5, +2\nmov %r0, 2\nexit\nmov %r0, %r2\nexit', '2 5'],
  ['a counter that runs away', 'mov %r0, 0\nadd %r0, 1\nldxw %r2, [%r1]\njne %r2, 0, -3\nexit', '?'],
  ['a counter that ends', 'mov %r0, 0\nadd %r0, 1\njlt %r0, 3, -2\nexit', '3'],
  ['a function', 'call local f\nadd %r0, 1\nexit\nf:\nmov %r0, 1\nexit', '2'],
  ['what a function leaves alone', 'mov %r6, 2\ncall local f\nmov %r0, %r6\nexit\nf:\nmov %r0, 1\nexit', '2'],
  ['a helper that says anything', 'call 1\nexit', '?'],
  ['bpf_redirect with flags it knows', 'mov %r1, 5\nmov %r2, 0\ncall 23\nexit', '7'],
  ['bpf_redirect with flags nobody knows', 'mov %r1, 5\ncall 23\nexit', '2 7'],
  ['bpf_redirect_peer', 'mov %r1, 5\nmov %r2, 0\ncall 155\nexit', '7'],
  ['a tail call, and where it fails', 'call 12\nmov %r0, 0\nexit', '0 ?'],
])('%s', (_what, text, expected) => {
  expect(codes(text)).toBe(expected);
});

describe('calls as the kernel gives them back', () => {
  const symbols = [
    'ffffffff81000000 T __bpf_call_base',
    'ffffffff81001000 T bpf_redirect',
    'ffffffff81000800 t bpf_redirect_peer',
    '',
  ].join('\n');

  test('are told by their distance', () => {
    expect([...translatedHelpers(symbols)]).toEqual([
      [0x1000, 23],
      [0x800, 155],
    ]);
    expect(translatedHelpers('0000000000000000 T __bpf_call_base\n0000000000000000 T bpf_redirect\n').size).toBe(0);
    expect(translatedHelpers('').size).toBe(0);
  });

  test('are anything where the symbols may not be read', () => {
    const code = program('mov %r2, 0\ncall 4096\nexit');
    expect(
      returnsOf(
        code,
        tcHelperResult(() => translatedHelpers(symbols)),
      ),
    ).toEqual({ codes: [7], unknown: false });
    expect(
      returnsOf(
        code,
        tcHelperResult(() => new Map()),
      ),
    ).toEqual({ codes: [], unknown: true });
  });
});

const register = fc.integer({ min: 0, max: 5 });
const value = fc.oneof(fc.integer({ min: -3, max: 8 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
const line = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('mov', 'add', 'sub', 'and', 'or', 'xor', 'mul', 'div', 'mod', 'lsh', 'rsh', 'arsh'),
      fc.constantFrom('', '32'),
      register,
      fc.oneof(
        value,
        register.map((r) => `%r${r}`),
      ),
    )
    .map(
      ([op, width, dst, src]) =>
        `${op}${width} %r${dst}, ${op.endsWith('sh') && typeof src === 'number' ? src & 31 : /div|mod/.test(op) && src === 0 ? 1 : src}`,
    ),
  fc
    .tuple(fc.constantFrom('jeq', 'jne', 'jgt', 'jsle', 'jset', 'jslt'), fc.constantFrom('', '32'), register, value)
    .map(([op, width, dst, src]) => `${op}${width} %r${dst}, ${src}, +1`),
  fc.tuple(register, fc.integer({ min: 1, max: 3 })).map(([r, slot]) => `stxdw [%r10-${slot * 8}], %r${r}`),
  fc.tuple(register, fc.integer({ min: 1, max: 3 })).map(([r, slot]) => `ldxdw %r${r}, [%r10-${slot * 8}]`),
);

test('what a program returns is always among what is said of it', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 25 }), (lines) => {
      const start = [0, 1, 2, 3, 4, 5].map((r) => `mov %r${r}, ${r * 3 - 2}`);
      const slots = [1, 2, 3].map((slot) => `stdw [%r10-${slot * 8}], ${slot}`);
      const text = [...start, ...slots, ...lines, 'mov %r6, 0', 'exit'].join('\n');
      const code = program(text);
      const returned = runProgram(code, {}).verdict;
      const { codes: known, unknown } = returnsOf(code);
      expect(unknown || known.includes(returned), `${text}\nreturns ${returned}, said are ${known.join(' ')}`).toBe(
        true,
      );
    }),
    { numRuns: 1000 },
  );
});
