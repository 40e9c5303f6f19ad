import type { IrAluOp, IrValue } from '../compile/index.ts';
import type { JumpOp } from '../isa/index.ts';
import type { IntegerName } from '../layout/index.ts';
import { anyOf, compare, type Condition } from './condition.ts';
import { constantPattern } from './constant.ts';
import type { Scope } from './scope.ts';
import { factsOf, promoted } from './types.ts';
import type { Operand, Value } from './value.ts';

/** What both kinds of value have in common. */
export abstract class Typed<T extends IntegerName> {
  /** Name of the type. */
  readonly type: T;
  /** The function that it belongs to. @internal */
  readonly scope: Scope;
  /** The value in the compiler's form. @internal */
  readonly ir: IrValue;

  constructor(scope: Scope, type: T, ir: IrValue) {
    this.scope = scope;
    this.type = type;
    this.ir = ir;
  }

  /** Equal. */
  eq(other: Operand<T>): Condition {
    return this.compare('jeq', other);
  }

  /** Not equal. */
  ne(other: Operand<T>): Condition {
    return this.compare('jne', other);
  }

  /** Equal to one of some constants or values. */
  oneOf(...others: readonly Operand<T>[]): Condition {
    return anyOf(others.map((other) => this.eq(other)));
  }

  /** At least one of these bits is set. */
  hasAny(bits: Operand<T>): Condition {
    return this.compare('jset', bits);
  }

  /** All of these bits are set. */
  hasAll(bits: Operand<T>): Condition {
    const type = promoted(this.type);
    const mask = operand(this.scope, this.type, bits, this.type);
    const { width } = factsOf(type);
    return compare(this.scope, 'jeq', width, this.scope.at().alu('and', this.ir, mask, width), mask);
  }

  protected compare(op: JumpOp, other: Operand<T>): Condition {
    const { width } = factsOf(this.type);
    return compare(this.scope, op, width, this.ir, operand(this.scope, this.type, other, this.type));
  }

  /** Arithmetic in the width of the promoted type. */
  protected alu(op: IrAluOp, other: Operand<T>): IrValue {
    const type = promoted(this.type);
    const right = operand(this.scope, this.type, other, type);
    return this.scope.at().alu(op, this.ir, right, factsOf(type).width);
  }
}

/** Tells whether something is a value of the program. */
export function isValue(thing: unknown): thing is Value {
  return thing instanceof Typed;
}

/** `value`, if it belongs to the function that is being built. @throws when it does not. */
export function own<V extends Value>(scope: Scope, value: V): V {
  value.scope.at();
  if (value.scope === scope) return value;
  throw scope.error(`a value of ${value.scope.name} is used in ${scope.name}`, 'hand it over as an argument');
}

/**
 * The other side of an operation with a value of type `type`.
 *
 * @param range - the type whose range a constant must keep to.
 * @throws BpfAsmError `ERR_LANGUAGE` when a constant is out of range, or a value of a type that does not mix.
 */
export function operand(scope: Scope, type: IntegerName, other: unknown, range: IntegerName = type): IrValue {
  if (!isValue(other)) return scope.at().constant(constantPattern(range, other, scope.unit.locate()));
  own(scope, other);
  if (promoted(other.type) === promoted(type)) return other.ir;
  const [a, b] = [factsOf(type), factsOf(other.type)];
  const hint =
    a.wire !== b.wire
      ? 'convert the one from the packet by toHost(), or the other by toWire()'
      : `convert one of them, as with .${promoted(type)}()`;
  throw scope.error(`${type} and ${other.type} do not mix`, hint);
}
