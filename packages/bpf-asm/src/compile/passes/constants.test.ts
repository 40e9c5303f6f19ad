import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { propagateConstants } from './constants.ts';

it('finds numbers along the paths that can be taken, and removes the others', () => {
  const text = change((b) => {
    const [yes, no, after] = [b.block(), b.block(), b.block()];
    const mode = b.variable(b.constant(1));
    const port = b.variable(b.constant(80));
    const [head, body, done] = [b.block(), b.block(), b.block()];
    b.jump(head);
    // The loop keeps `mode` at 1, which only shows when the loop is believed to.
    b.enterLoop(head);
    b.branch('jne', b.load('u8', b.param(0), 0, 'other', true), b.constant(0), body, done);
    b.enter(body);
    b.branch('jeq', b.get(mode), b.constant(1), yes, no);
    b.enter(yes);
    b.jump(after);
    b.enter(no);
    b.set(mode, b.constant(2));
    b.jump(after);
    b.enter(after);
    b.jump(head);
    b.seal(head);
    b.enter(done);
    b.return(b.alu('add', b.get(port), b.get(mode)));
  }, propagateConstants);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      jump b1
    b1:
      v0 = phi b0 1, b5 v2
      v1 = load u8 other p0 + 0
      branch jne64 v1, 0 ? b2 : b6
    b2:
      branch jeq64 v0, 1 ? b3 : b4
    b3:
      jump b5
    b4:
      jump b5
    b5:
      v2 = phi b3 v0, b4 2
      jump b1
    b6:
      v3 = add64 80, v0
      return v3
    -->
    f(p0, p1)
    b0:
      jump b1
    b1:
      v0 = load u8 other p0 + 0
      branch jne64 v0, 0 ? b2 : b5
    b2:
      jump b3
    b3:
      jump b4
    b4:
      jump b1
    b5:
      return 81"
  `);
});
