import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import type { FunctionBuilder, IrValue } from '../index.ts';
import { removeDeadCode } from './dead-code.ts';
import { simplify } from './simplify.ts';
import type { IrFunction } from '../ir/ir.ts';

function tidied(fn: IrFunction): void {
  simplify(fn);
  removeDeadCode(fn);
}

/** What one expression becomes. */
function rule(expression: (b: FunctionBuilder, x: IrValue) => IrValue): string {
  const text = change((b) => b.return(expression(b, b.param(0))), tidied);
  return text.split('-->\n')[1] ?? '';
}

/** What one comparison becomes. */
function test(compare: (b: FunctionBuilder) => Parameters<FunctionBuilder['branch']>): string {
  const text = change((b) => {
    const [yes, no] = [b.block(), b.block()];
    const [op, left, right, , , options] = compare(b);
    b.branch(op, left, right, yes, no, options);
    b.enter(yes);
    b.return(b.constant(1));
    b.enter(no);
    b.return(b.constant(0));
  }, tidied);
  return text.split('-->\n')[1] ?? '';
}

const body = (text: string): string[] =>
  text
    .split('\n')
    .slice(2)
    .map((line) => line.trim());

it.each<[string, (b: FunctionBuilder, x: IrValue) => IrValue, string[]]>([
  ['x + 0', (b, x) => b.alu('add', x, b.constant(0)), ['return p0']],
  ['x & -1', (b, x) => b.alu('and', x, b.constant(-1)), ['return p0']],
  ['x * 0', (b, x) => b.alu('mul', x, b.constant(0)), ['return 0']],
  ['x ^ x', (b, x) => b.alu('xor', x, x), ['return 0']],
  ['8 * x', (b, x) => b.alu('mul', b.constant(8), x), ['v0 = lsh64 p0, 3', 'return v0']],
  ['x / 8', (b, x) => b.alu('div', x, b.constant(8)), ['v0 = rsh64 p0, 3', 'return v0']],
  ['x % 8', (b, x) => b.alu('mod', x, b.constant(8)), ['v0 = and64 p0, 7', 'return v0']],
  ['x / 0', (b, x) => b.alu('div', x, b.constant(0)), ['return 0']],
  ['x - 5', (b, x) => b.alu('sub', x, b.constant(5)), ['v0 = add64 p0, -5', 'return v0']],
  [
    '(x + 14) + 20',
    (b, x) => b.alu('add', b.alu('add', x, b.constant(14)), b.constant(20)),
    ['v0 = add64 p0, 34', 'return v0'],
  ],
  [
    '(x >> 3) >> 2',
    (b, x) => b.alu('rsh', b.alu('rsh', x, b.constant(3)), b.constant(2)),
    ['v0 = rsh64 p0, 5', 'return v0'],
  ],
  ['x & 0xffffffff', (b, x) => b.alu('and', x, b.constant(0xffff_ffff)), ['v0 = zext32 p0', 'return v0']],
  [
    'u8 load & 0xff',
    (b, x) => b.alu('and', b.load('u8', x, 0, 'packet'), b.constant(255)),
    ['v0 = load u8 packet p0 + 0', 'return v0'],
  ],
  ['(u16) u8 load', (b, x) => b.zext(16, b.load('u8', x, 0, 'packet')), ['v0 = load u8 packet p0 + 0', 'return v0']],
  ['(s16) u8 load', (b, x) => b.sext(16, b.load('u8', x, 0, 'packet')), ['v0 = load u8 packet p0 + 0', 'return v0']],
  ['(s8) u8 load', (b, x) => b.sext(8, b.load('u8', x, 0, 'packet')), ['v0 = load s8 packet p0 + 0', 'return v0']],
  ['(u32) (x +32 y)', (b, x) => b.zext(32, b.alu('add', x, b.param(1), 32)), ['v0 = add32 p0, p1', 'return v0']],
  ['(u32) (x + y)', (b, x) => b.zext(32, b.alu('add', x, b.param(1))), ['v0 = add32 p0, p1', 'return v0']],
  [
    'ntohs(ntohs(u16 load))',
    (b, x) => b.swap('be', 16, b.swap('be', 16, b.load('u16', x, 0, 'packet'))),
    ['v0 = load u16 packet p0 + 0', 'return v0'],
  ],
  [
    '*(x + 14 + 9)',
    (b, x) => b.load('u8', b.alu('add', b.alu('add', x, b.constant(14)), b.constant(9)), 0, 'packet'),
    ['v0 = load u8 packet p0 + 23', 'return v0'],
  ],
  ['- -x', (b, x) => b.neg(b.neg(x)), ['return p0']],
])('%s', (_, expression, after) => {
  expect(body(rule(expression))).toEqual(after);
});

it.each<[string, (b: FunctionBuilder) => Parameters<FunctionBuilder['branch']>, string]>([
  [
    'a swapped number and a constant',
    (b) => ['jeq', b.swap('be', 16, b.load('u16', b.param(0), 12, 'packet')), b.constant(0x86dd), b.block(), b.block()],
    'branch jeq64 v0, 56710 ? b1 : b2',
  ],
  [
    'bits of a swapped number',
    (b) => [
      'jne',
      b.alu('and', b.swap('be', 16, b.load('u16', b.param(0), 6, 'packet')), b.constant(0x1fff)),
      b.constant(0),
      b.block(),
      b.block(),
    ],
    'branch jset64 v0, 65311 ? b1 : b2',
  ],
  [
    'no bit set',
    (b) => [
      'jeq',
      b.alu('and', b.load('u8', b.param(0), 6, 'packet'), b.constant(3)),
      b.constant(0),
      b.block(),
      b.block(),
    ],
    'branch jset64 v0, 3 ? b2 : b1',
  ],
  [
    'a constant with bit 31',
    (b) => ['jeq', b.load('u32', b.param(0), 0, 'packet'), b.constant(0xc0a8_0001), b.block(), b.block()],
    'branch jeq32 v0, 0xc0a80001 ? b1 : b2',
  ],
  [
    'a constant on the left',
    (b) => ['jgt', b.constant(5), b.load('u32', b.param(0), 0, 'packet'), b.block(), b.block()],
    'branch jlt64 v0, 5 ? b1 : b2',
  ],
  [
    'two swapped numbers',
    (b) => {
      const [x, y] = [0, 4].map((offset) => b.swap('be', 32, b.load('u32', b.param(0), offset, 'packet')));
      return ['jne', x as IrValue, y as IrValue, b.block(), b.block()];
    },
    'branch jne64 v0, v1 ? b1 : b2',
  ],
  [
    'at least one',
    (b) => ['jge', b.load('u32', b.param(0), 0, 'packet'), b.constant(1), b.block(), b.block()],
    'branch jne64 v0, 0 ? b1 : b2',
  ],
  [
    'more than a byte can be',
    (b) => ['jgt', b.load('u8', b.param(0), 0, 'packet', true), b.constant(255), b.block(), b.block()],
    'branch jeq64 0, 1 ? b1 : b2',
  ],
  [
    'halves',
    (b) => ['jgt', b.zext(32, b.param(0)), b.zext(32, b.param(1)), b.block(), b.block()],
    'branch jgt32 p0, p1 ? b1 : b2',
  ],
])('compares %s', (_, compare, after) => {
  expect(body(test(compare)).find((line) => line.startsWith('branch'))).toBe(after);
});

it('keeps comparing what is used later, so that the verifier learns its range', () => {
  const text = change((b) => {
    const index = b.zext(32, b.param(1));
    const [fits, far] = [b.block(), b.block()];
    b.branch('jlt', index, b.constant(64), fits, far);
    b.enter(fits);
    b.return(b.load('u8', b.alu('add', b.param(0), index), 0, 'map'));
    b.enter(far);
    b.return(b.constant(0));
  }, tidied);
  expect(text.split('-->')[1]).toContain('branch jlt64 v0, 64');
});

it('stores without what is not stored', () => {
  const text = change((b) => {
    b.store('u16', b.param(0), 0, b.zext(16, b.param(1)), 'packet');
    b.store('u8', b.param(0), 2, b.alu('and', b.param(1), b.constant(0xff)), 'packet');
    b.return(b.constant(0));
  }, tidied);
  expect(body(text.split('-->\n')[1] ?? '')).toEqual([
    'store u16 packet p0 + 0, p1',
    'store u8 packet p0 + 2, p1',
    'return 0',
  ]);
});
