import type { IrValue } from '../compile/index.ts';
import { compare, type Condition } from './condition.ts';
import { when } from './control.ts';
import type { Ended } from './ended.ts';
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

  /** @internal */
  constructor(scope: Scope, pointer: IrValue, present: () => V) {
    this.#scope = scope;
    this.#pointer = pointer;
    this.#present = present;
  }

  /** Whether there is one, for sets whose values do not matter. */
  get found(): Condition {
    return this.#test('jne');
  }

  /** The value; where there is none, the path ends by `absent`. */
  orElse(absent: () => Ended): V {
    when(this.#test('jeq'), absent);
    return this.#present();
  }

  /** Does `present` with the value if there is one, else nothing. */
  ifPresent(present: (value: V) => Ended | void): void {
    when(this.found, () => present(this.#present()));
  }

  /** Does one or the other. */
  match(cases: LookupCases<V, Ended>): Ended;
  match(cases: LookupCases<V, Ended | void>): void;
  match({ present, absent }: LookupCases<V, Ended | void>): Ended | void {
    return when(this.found, () => present(this.#present()), absent);
  }

  #test(op: 'jeq' | 'jne'): Condition {
    return compare(this.#scope, op, 64, this.#pointer, this.#scope.at().constant(0));
  }
}
