import { expect, it } from 'vitest';
import { built, listing, machineCode } from '../../../test/ir-change.ts';
import { isBpfAsmError } from '../../error.ts';
import { compile, type FunctionBuilder, type IrValue } from '../index.ts';

it('keeps what lives across a call in r6 to r9, and copies nothing else', () => {
  const fn = built((b) => {
    const mark = b.load('u32', b.param(0), 8, 'context');
    const random = b.call({ kind: 'helper', id: 7 }, []);
    b.return(b.alu('add', random, mark));
  }, 1);
  expect(listing(machineCode(fn))).toMatchInlineSnapshot(`
    "   0: (61) r6 = *(u32 *)(r1 +8)
       1: (85) call bpf_get_prandom_u32#7
       2: (0f) r0 += r6
       3: (95) exit
    "
  `);
});

it('exchanges two values that trade places in a loop', () => {
  const fn = built((b) => {
    const [head, body, done] = [b.block(), b.block(), b.block()];
    const [x, y] = [b.variable(b.param(0)), b.variable(b.param(1))];
    b.jump(head);
    b.enterLoop(head);
    b.branch('jgt', b.get(x), b.get(y), body, done);
    b.enter(body);
    const [oldX, oldY] = [b.get(x), b.get(y)];
    b.set(x, oldY);
    b.set(y, oldX);
    b.jump(head);
    b.seal(head);
    b.enter(done);
    b.return(b.get(x));
  });
  expect(listing(machineCode(fn))).toMatchInlineSnapshot(`
    "   0: (bf) r0 = r1
       1: (bd) if r0 <= r2 goto pc+4
       2: (bf) r1 = r0
       3: (bf) r0 = r2
       4: (bf) r2 = r1
       5: (05) goto pc-5
       6: (95) exit
    "
  `);
});

it('puts aside what finds no register, and makes constants anew', () => {
  const fn = built((b) => {
    const values = Array.from({ length: 12 }, (_, index) => b.load('u32', b.param(0), 4 * index, 'map'));
    b.call({ kind: 'helper', id: 7 }, []);
    b.return(values.reduce((sum, value) => b.alu('xor', sum, value)));
  }, 1);
  const text = listing(machineCode(fn));
  // Eight of them: four registers survive a call.
  expect(text.match(/\*\(u64 \*\)\(r10 -\d+\) = r\d/g)).toHaveLength(8);
  expect(new Set(text.match(/r10 -\d+/g))).toHaveProperty('size', 8);
});

function fill(b: FunctionBuilder, sizes: readonly number[]): IrValue {
  const buffers = sizes.map((size, index) => b.stackAddress(b.stackSlot(size, 8, `buffer ${index}`)));
  for (const buffer of buffers) b.store('u8', buffer, 0, b.constant(0), 'stack');
  // All of them at once: what is never in use together shares a place.
  b.call({ kind: 'helper', id: 7 }, buffers);
  return b.constant(0);
}

it('refuses more stack than there is, and says what takes it', () => {
  let error: unknown;
  try {
    compile({ functions: [built((b) => b.return(fill(b, [100, 300, 200])))] });
  } catch (thrown) {
    error = thrown;
  }
  expect(isBpfAsmError(error, 'ERR_COMPILE')).toBe(true);
  expect(String(error)).toContain('most is taken by buffer 1 (300 bytes), buffer 2 (200 bytes), buffer 0 (100 bytes)');
});

it('fills the stack to the last byte', () => {
  const { instructions } = compile({ functions: [built((b) => b.return(fill(b, [504, 8])))] });
  expect(instructions.map((i) => (i.kind === 'store' ? i.offset : 0))).toContain(-512);
});
