import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { numberValues } from './value-numbering.ts';

it('makes a value once, and loads again only what may have changed', () => {
  const text = change((b) => {
    const data = b.load('u32', b.param(0), 76, 'context');
    const first = b.load('u16', data, 12, 'packet');
    b.store('u32', b.param(1), 0, b.alu('add', first, b.constant(1)), 'map');
    const again = b.load('u16', b.load('u32', b.param(0), 76, 'context'), 12, 'packet');
    b.store('u32', b.param(1), 4, b.alu('add', again, b.constant(1)), 'map');
    b.store('u8', data, 0, b.constant(7), 'packet');
    const changed = b.load('u16', data, 12, 'packet');
    b.call({ kind: 'helper', id: 9 }, [b.param(0)], { writes: ['packet', 'context'], removable: false });
    const moved = b.load('u32', b.param(0), 76, 'context');
    b.return(b.alu('add', b.load('u16', moved, 12, 'packet'), changed));
  }, numberValues);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      v0 = load u32 context p0 + 76
      v1 = load u16 packet v0 + 12
      v2 = add64 v1, 1
      store u32 map p1 + 0, v2
      v3 = load u32 context p0 + 76
      v4 = load u16 packet v3 + 12
      v5 = add64 v4, 1
      store u32 map p1 + 4, v5
      store u8 packet v0 + 0, 7
      v6 = load u16 packet v0 + 12
      v7 = call helper 9(p0)
      v8 = load u32 context p0 + 76
      v9 = load u16 packet v8 + 12
      v10 = add64 v9, v6
      return v10
    -->
    f(p0, p1)
    b0:
      v0 = load u32 context p0 + 76
      v1 = load u16 packet v0 + 12
      v2 = add64 v1, 1
      store u32 map p1 + 0, v2
      store u32 map p1 + 4, v2
      store u8 packet v0 + 0, 7
      v3 = load u16 packet v0 + 12
      v4 = call helper 9(p0)
      v5 = load u32 context p0 + 76
      v6 = load u16 packet v5 + 12
      v7 = add64 v6, v3
      return v7"
  `);
});

it('takes nothing over from a path that may not have been taken, nor past a loop that stores', () => {
  const text = change((b) => {
    const [yes, after, head, body, done] = [b.block(), b.block(), b.block(), b.block(), b.block()];
    const before = b.load('u32', b.param(0), 0, 'map');
    b.branch('jeq', before, b.constant(0), yes, after);
    b.enter(yes);
    b.store('u32', b.param(1), 0, b.load('u32', b.param(0), 4, 'map'), 'other');
    b.jump(after);
    b.enter(after);
    b.store('u32', b.param(1), 4, b.load('u32', b.param(0), 4, 'map'), 'other');
    b.jump(head);
    b.enterLoop(head);
    b.branch('jne', b.load('u32', b.param(0), 0, 'map'), b.constant(9), body, done);
    b.enter(body);
    b.store('u32', b.param(0), 0, b.constant(9), 'map');
    b.jump(head);
    b.seal(head);
    b.enter(done);
    b.return(b.constant(0));
  }, numberValues);
  const [before, after] = text.split('\n-->\n');
  expect(after).toBe(before);
});

it('tells slots of the stack apart', () => {
  const text = change((b) => {
    const [one, two] = ['one', 'two'].map((name) => b.stackAddress(b.stackSlot(8, 8, name)));
    if (one === undefined || two === undefined) return;
    b.store('u64', one, 0, b.param(0), 'stack');
    const first = b.load('u64', one, 0, 'stack');
    b.store('u64', two, 0, first, 'stack');
    b.return(b.alu('add', first, b.load('u64', one, 0, 'stack')));
  }, numberValues);
  expect(text.split('-->')[1]?.match(/load/g)).toHaveLength(1);
});
