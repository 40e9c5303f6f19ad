import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { removeDeadStores } from './dead-stores.ts';

it('leaves out zeroes that every path overwrites', () => {
  const text = change((b) => {
    const [v4, v6, after] = [b.block(), b.block(), b.block()];
    const key = b.stackAddress(b.stackSlot(16, 8, 'key'));
    b.store('u64', key, 0, b.constant(0), 'stack');
    b.store('u64', key, 8, b.constant(0), 'stack');
    b.branch('jeq', b.param(1), b.constant(4), v4, v6);
    b.enter(v4);
    b.store('u32', key, 12, b.param(1), 'stack');
    b.store('u64', key, 0, b.constant(1), 'stack');
    b.jump(after);
    b.enter(v6);
    b.store('u64', key, 0, b.load('u64', b.param(0), 0, 'packet'), 'stack');
    b.store('u64', key, 8, b.load('u64', b.param(0), 8, 'packet'), 'stack');
    b.jump(after);
    b.enter(after);
    b.call({ kind: 'helper', id: 1 }, [b.map('pods'), key]);
    // Nobody reads this any more.
    b.store('u64', key, 0, b.constant(2), 'stack');
    b.return(b.constant(0));
  }, removeDeadStores);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      store u64 stack &key + 0, 0
      store u64 stack &key + 8, 0
      branch jeq64 p1, 4 ? b1 : b2
    b1:
      store u32 stack &key + 12, p1
      store u64 stack &key + 0, 1
      jump b3
    b2:
      v0 = load u64 packet p0 + 0
      store u64 stack &key + 0, v0
      v1 = load u64 packet p0 + 8
      store u64 stack &key + 8, v1
      jump b3
    b3:
      v2 = call helper 1(map pods, &key)
      store u64 stack &key + 0, 2
      return 0
    -->
    f(p0, p1)
    b0:
      store u64 stack &key + 8, 0
      branch jeq64 p1, 4 ? b1 : b2
    b1:
      store u32 stack &key + 12, p1
      store u64 stack &key + 0, 1
      jump b3
    b2:
      v0 = load u64 packet p0 + 0
      store u64 stack &key + 0, v0
      v1 = load u64 packet p0 + 8
      store u64 stack &key + 8, v1
      jump b3
    b3:
      v2 = call helper 1(map pods, &key)
      return 0"
  `);
});

it('keeps what a loop reads the next time round, and what is read through an address that went elsewhere', () => {
  const text = change((b) => {
    const [head, body, done] = [b.block(), b.block(), b.block()];
    const [state, known] = ['state', 'known'].map((name) => b.stackAddress(b.stackSlot(8, 8, name)));
    if (state === undefined || known === undefined) return;
    b.store('u64', b.param(1), 0, known, 'map');
    b.store('u64', known, 0, b.constant(1), 'stack');
    b.store('u64', state, 0, b.constant(0), 'stack');
    b.jump(head);
    b.enterLoop(head);
    b.branch('jlt', b.load('u64', state, 0, 'stack'), b.constant(4), body, done);
    b.enter(body);
    b.store('u64', state, 0, b.alu('add', b.load('u64', state, 0, 'stack'), b.constant(1)), 'stack');
    b.jump(head);
    b.seal(head);
    b.enter(done);
    b.return(b.constant(0));
  }, removeDeadStores);
  const [before, after] = text.split('\n-->\n');
  expect(after).toBe(before);
});
