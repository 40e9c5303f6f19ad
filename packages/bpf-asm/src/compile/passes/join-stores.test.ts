import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { removeDeadStores } from './dead-stores.ts';
import { joinStores } from './join-stores.ts';
import type { IrFunction } from '../ir/ir.ts';

function simplifyStores(fn: IrFunction): void {
  removeDeadStores(fn);
  joinStores(fn);
}

it('leaves out zeroes that are overwritten, and joins those that are not', () => {
  const text = change((b) => {
    const key = b.stackAddress(b.stackSlot(16, 8, 'key'));
    for (let offset = 0; offset < 16; offset += 4) b.store('u32', key, offset, b.constant(0), 'stack');
    b.store('u32', key, 12, b.param(1), 'stack');
    b.store('u16', key, 8, b.constant(1), 'stack');
    b.store('u16', key, 10, b.constant(2), 'stack');
    b.return(b.call({ kind: 'helper', id: 1 }, [b.map('pods'), key]));
  }, simplifyStores);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      store u32 stack &key + 0, 0
      store u32 stack &key + 4, 0
      store u32 stack &key + 8, 0
      store u32 stack &key + 12, 0
      store u32 stack &key + 12, p1
      store u16 stack &key + 8, 1
      store u16 stack &key + 10, 2
      v0 = call helper 1(map pods, &key)
      return v0
    -->
    f(p0, p1)
    b0:
      store u64 stack &key + 0, 0
      store u32 stack &key + 12, p1
      store u32 stack &key + 8, 0x20001
      v0 = call helper 1(map pods, &key)
      return v0"
  `);
});

it('keeps what is read in between', () => {
  const text = change((b) => {
    const key = b.stackAddress(b.stackSlot(8, 8, 'key'));
    b.store('u32', key, 0, b.constant(1), 'stack');
    b.call({ kind: 'helper', id: 1 }, [b.map('pods'), key]);
    b.store('u32', key, 0, b.constant(2), 'stack');
    const read = b.load('u8', key, 0, 'stack');
    b.store('u32', key, 0, read, 'stack');
    b.return(b.call({ kind: 'helper', id: 1 }, [b.map('pods'), key]));
  }, simplifyStores);
  const [before, after] = text.split('\n-->\n');
  expect(after).toBe(before);
});

it('joins no constants past another store to the place', () => {
  const text = change((b) => {
    const key = b.stackAddress(b.stackSlot(8, 8, 'key'));
    b.store('u8', key, 0, b.constant(1), 'stack');
    b.store('u16', key, 0, b.constant(0x0302), 'stack');
    b.store('u8', key, 1, b.constant(4), 'stack');
    b.return(b.load('u16', key, 0, 'stack'));
  }, simplifyStores);
  expect(text.split('-->')[1]).toContain('store u8 stack &key + 1, 4');
});
