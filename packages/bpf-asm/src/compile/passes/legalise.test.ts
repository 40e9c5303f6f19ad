import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { legalise } from './legalise.ts';

function program(cpu: 2 | 3 | 4): string {
  return change(
    (b) => {
      const [yes, no] = [b.block(), b.block()];
      const signed = b.load('s16', b.param(0), 0, 'other');
      const shifted = b.alu('lsh', b.swap('bswap', 32, signed), b.constant(70));
      b.branch('jslt', b.alu('smod', shifted, b.param(1)), b.constant(0xffff_ffffn), yes, no, { width: 32 });
      b.enter(yes);
      b.return(b.alu('div', b.param(1), b.constant(0)));
      b.enter(no);
      b.return(b.alu('mod', b.param(1), b.constant(0), 32));
    },
    (fn) => legalise(fn, cpu),
  );
}

it('says with v2 what it has not', () => {
  expect(program(2)).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      v0 = load s16 other p0 + 0
      v1 = bswap32 v0
      v2 = lsh64 v1, 70
      v3 = smod64 v2, p1
      branch jslt32 v3, 0xffffffff ? b1 : b2
    b1:
      v4 = div64 p1, 0
      return v4
    b2:
      v5 = mod32 p1, 0
      return v5
    -->
    f(p0, p1)
    b0:
      v0 = load u16 other p0 + 0
      v1 = sext16 v0
      v2 = be32 v1
      v3 = lsh64 v2, 6
      v4 = arsh64 v3, 63
      v5 = arsh64 p1, 63
      v6 = xor64 v3, v4
      v7 = sub64 v6, v4
      v8 = xor64 p1, v5
      v9 = sub64 v8, v5
      v10 = mod64 v7, v9
      v11 = xor64 v10, v4
      v12 = sub64 v11, v4
      v13 = sext32 v12
      branch jslt64 v13, -1 ? b1 : b2
    b1:
      return 0
    b2:
      v14 = zext32 p1
      return v14"
  `);
});

it('keeps what v4 has', () => {
  expect(program(4).split('-->')[1]).toMatchInlineSnapshot(`
    "
    f(p0, p1)
    b0:
      v0 = load s16 other p0 + 0
      v1 = be32 v0
      v2 = lsh64 v1, 6
      v3 = smod64 v2, p1
      branch jslt32 v3, 0xffffffff ? b1 : b2
    b1:
      return 0
    b2:
      v4 = zext32 p1
      return v4"
  `);
});
