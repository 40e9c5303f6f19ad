import type { IrValue } from '../compile/index.ts';
import { compare, type Condition } from './condition.ts';
import { when } from './control.ts';
import type { Ended } from './ended.ts';
import type { Held } from './flow.ts';
import type { Scope } from './scope.ts';

/** Both sides of a look-up. */
export interface LookupCases<V, B> {
  readonly present: (value: V) => B;
  readonly absent: () => B;
}

/** What a look-up found, if it found something: there is no way to the value but through saying what happens where there is none. */
export class Lookup<V> {
  readonly #scope: Scope;
  readonly #pointer: IrValue;
  readonly #present: () => V;
  readonly #pending: Held | undefined;

  /**
   * @param pending - is held until the result is handled, for what must be given back if there is one.
   * @internal
   */
  constructor(scope: Scope, pointer: IrValue, present: () => V, pending?: Held) {
    this.#scope = scope;
    this.#pointer = pointer;
    this.#present = present;
    this.#pending = pending;
    if (pending !== undefined) scope.hold(pending);
  }

  /** Whether there is one, for sets whose values do not matter. */
  get found(): Condition {
    if (this.#pending !== undefined) {
      throw this.#scope.error(
        `${this.#pending.what} must be given back if there is one`,
        'use ifPresent, match or orElse',
      );
    }
    return this.#test('jne');
  }

  /** The value; where there is none, the path ends by `absent`. */
  orElse(absent: () => Ended): V {
    when(this.#test('jeq'), () => {
      this.#settle();
      return absent();
    });
    this.#settle();
    return this.#present();
  }

  /** Does `present` with the value if there is one, else nothing. */
  ifPresent(present: (value: V) => Ended | void): void {
    this.match({ present, absent: () => undefined });
  }

  /** Does one or the other. */
  match(cases: LookupCases<V, Ended>): Ended;
  match(cases: LookupCases<V, Ended | void>): void;
  match({ present, absent }: LookupCases<V, Ended | void>): Ended | void {
    return when(
      this.#test('jne'),
      () => {
        this.#settle();
        return present(this.#present());
      },
      () => {
        this.#settle();
        return absent();
      },
    );
  }

  #settle(): void {
    if (this.#pending !== undefined) this.#scope.letGo(this.#pending);
  }

  #test(op: 'jeq' | 'jne'): Condition {
    return compare(this.#scope, op, 64, this.#pointer, this.#scope.at().constant(0));
  }
}

/** What is held between a look-up that takes a reference and the handling of its result. */
export function pendingLookup(scope: Scope, what: string): Held {
  const unsettled = { problem: 'is not handled on this path', hint: 'use ifPresent, match or orElse on its result' };
  return { what, source: scope.unit.locate(), unsettled };
}
