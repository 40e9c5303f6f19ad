import type { IrValue } from '../compile/index.ts';
import { contextView, type ContextView } from './context.ts';
import { SOCK_FIELDS } from './contexts/sock.ts';
import type { Held } from './flow.ts';
import { ACTS, callHelper } from './helper-call.ts';
import { Lookup, pendingLookup } from './lookup.ts';
import { Place } from './place.ts';
import type { Scope } from './scope.ts';

/** A socket that was looked up. It is given back by itself: where the block that found it ends, and on every way out of the program. */
export interface Socket {
  /** @internal */
  readonly ir: IrValue;
  /** @internal */
  readonly scope: Scope;
  /** What the program may read of it (`struct bpf_sock`); every field for a full socket only. */
  readonly fields: ContextView<typeof SOCK_FIELDS>;
}

/** The result of a look-up for sockets, which must be given back if there is one. */
export function socketLookup(scope: Scope, pointer: IrValue, what: string): Lookup<Socket> {
  const source = scope.unit.locate();
  const present = (): Socket => {
    const held: Held = {
      what: `the socket of ${what}`,
      source,
      release: () => {
        callHelper(scope, 'sk_release', [pointer], ACTS);
      },
    };
    scope.hold(held);
    const guard = (): void => {
      if (scope.reachable && !scope.flow.held.includes(held)) {
        throw scope.error('a socket is used after it was given back', 'use it in the block that found it');
      }
    };
    const place = new Place(scope, pointer, 0, {
      memory: 'other',
      align: 4,
      guard,
      readOnly: 'a socket cannot be written',
    });
    return {
      get ir() {
        guard();
        return pointer;
      },
      scope,
      fields: contextView(() => place, 'bpf_sock', SOCK_FIELDS),
    };
  };
  return new Lookup(scope, pointer, present, pendingLookup(scope, `the look-up of ${what}`));
}
