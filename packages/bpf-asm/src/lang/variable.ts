import type { IrVariable } from '../compile/index.ts';
import type { IntegerName } from '../layout/index.ts';
import type { Scope } from './scope.ts';
import type { FitsInto, Literal } from './types.ts';
import { factsOf } from './types.ts';
import { isValue, own } from './typed.ts';
import { makeValue, type Value } from './value.ts';
import { constantPattern } from './constant.ts';
import type { IrValue } from '../compile/index.ts';

/** What may be stored to something of type `T`: a constant in host order, or a value of a type that fits without loss. */
export type Storable<T extends IntegerName> = Literal<T> | Value<FitsInto<T>>;

/** The register content of what is stored to something of a type. @throws when a value could lose bits, or a constant is out of range. */
export function storable(scope: Scope, type: IntegerName, value: unknown): IrValue {
  if (!isValue(value)) return scope.at().constant(constantPattern(type, value, scope.unit.locate()));
  own(scope, value);
  const [source, target] = [factsOf(value.type), factsOf(type)];
  const fits = source.wire === target.wire && source.signed === target.signed && source.bits <= target.bits;
  if (!fits || (source.wire && source.bits !== target.bits)) {
    const hint =
      source.wire === target.wire
        ? `convert it: .${type}()`
        : source.wire
          ? 'convert it: .toHost()'
          : 'convert it: .toWire()';
    throw scope.error(`a value of ${value.type} is stored to ${type}`, hint);
  }
  return source.signed && source.bits < 64 && target.bits === 64 ? scope.at().sext(32, value.ir) : value.ir;
}

/** Something that changes while the program runs. It lives in a register if the compiler can help it. */
export class Variable<T extends IntegerName> {
  /** Name of its type. */
  readonly type: T;
  readonly #scope: Scope;
  readonly #variable: IrVariable;

  constructor(scope: Scope, type: T, initial: Storable<T>) {
    this.type = type;
    this.#scope = scope;
    this.#variable = scope.at().variable(storable(scope, type, initial));
  }

  /** What it holds now. */
  get(): Value<T> {
    return makeValue(this.#scope, this.type, this.#scope.at().get(this.#variable));
  }

  /** Changes what it holds. */
  set(value: Storable<T>): void {
    const ir = storable(this.#scope, this.type, value);
    this.#scope.at().set(this.#variable, ir);
  }
}
