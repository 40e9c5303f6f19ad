import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { removeDeadCode } from './dead-code.ts';

it('removes what leads to nothing, even in a ring, and keeps effects', () => {
  const text = change((b) => {
    const [head, body, done] = [b.block(), b.block(), b.block()];
    const unused = b.variable(b.constant(0));
    const left = b.variable(b.param(1));
    b.jump(head);
    b.enterLoop(head);
    b.branch('jne', b.get(left), b.constant(0), body, done);
    b.enter(body);
    b.set(unused, b.alu('add', b.get(unused), b.load('u32', b.param(0), 0, 'other')));
    b.call({ kind: 'helper', id: 5 }, [], { writes: [], removable: true });
    b.call({ kind: 'helper', id: 7 }, [], { writes: [], removable: false });
    b.set(left, b.alu('sub', b.get(left), b.constant(1)));
    b.jump(head);
    b.seal(head);
    b.enter(done);
    b.return(b.constant(0));
  }, removeDeadCode);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      jump b1
    b1:
      v0 = phi b0 p1, b2 v6
      v1 = phi b0 0, b2 v3
      branch jne64 v0, 0 ? b2 : b3
    b2:
      v2 = load u32 other p0 + 0
      v3 = add64 v1, v2
      v4 = call helper 5()
      v5 = call helper 7()
      v6 = sub64 v0, 1
      jump b1
    b3:
      return 0
    -->
    f(p0, p1)
    b0:
      jump b1
    b1:
      v0 = phi b0 p1, b2 v2
      branch jne64 v0, 0 ? b2 : b3
    b2:
      v1 = call helper 7()
      v2 = sub64 v0, 1
      jump b1
    b3:
      return 0"
  `);
});
