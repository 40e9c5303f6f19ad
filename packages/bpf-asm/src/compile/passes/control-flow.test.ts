import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import { simplifyControlFlow } from './control-flow.ts';

it('goes where a branch would go that the path decides', () => {
  const text = change((b) => {
    // A condition made into 0 or 1, and asked about again.
    const [one, zero, ask, yes, no] = [b.block(), b.block(), b.block(), b.block(), b.block()];
    const flag = b.variable();
    b.branch('jeq', b.param(0), b.constant(6), one, zero);
    b.enter(one);
    b.set(flag, b.constant(1));
    b.jump(ask);
    b.enter(zero);
    b.set(flag, b.constant(0));
    b.jump(ask);
    b.enter(ask);
    b.branch('jne', b.get(flag), b.constant(0), yes, no);
    b.enter(yes);
    b.return(b.constant(7));
    b.enter(no);
    b.return(b.constant(8));
  }, simplifyControlFlow);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      branch jeq64 p0, 6 ? b1 : b2
    b1:
      jump b3
    b2:
      jump b3
    b3:
      v0 = phi b1 1, b2 0
      branch jne64 v0, 0 ? b4 : b5
    b4:
      return 7
    b5:
      return 8
    -->
    f(p0, p1)
    b0:
      branch jeq64 p0, 6 ? b1 : b2
    b1:
      return 7
    b2:
      return 8"
  `);
});

it('joins what follows alone, and returns where the value is known', () => {
  const text = change((b) => {
    const [yes, no, after, last] = [b.block(), b.block(), b.block(), b.block()];
    const verdict = b.variable();
    b.branch('jgt', b.param(0), b.param(1), yes, no);
    b.enter(yes);
    b.set(verdict, b.constant(-1));
    b.jump(after);
    b.enter(no);
    b.set(verdict, b.call({ kind: 'helper', id: 7 }, []));
    b.jump(after);
    b.enter(after);
    b.jump(last);
    b.enter(last);
    b.return(b.get(verdict));
  }, simplifyControlFlow);
  expect(text).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      branch jgt64 p0, p1 ? b1 : b2
    b1:
      jump b3
    b2:
      v0 = call helper 7()
      jump b3
    b3:
      v1 = phi b1 -1, b2 v0
      jump b4
    b4:
      return v1
    -->
    f(p0, p1)
    b0:
      branch jgt64 p0, p1 ? b1 : b2
    b1:
      return -1
    b2:
      v0 = call helper 7()
      return v0"
  `);
});
