import type { IrValue } from '../compile/index.ts';
import type { JumpOp } from '../isa/index.ts';
import { ipv4Address, type IntegerName } from '../layout/index.ts';
import { compare, type Condition } from './condition.ts';
import { own, Typed } from './typed.ts';
import { constantPattern, parsePrefix } from './constant.ts';
import { show } from './language-error.ts';
import type { Scope } from './scope.ts';
import { factsOf, promoted, type HostName, type Literal, type Mixable, type Promoted, type WireName } from './types.ts';

/**
 * A value that the program calculates when it runs. `T` is its type: types of different sign, size class or byte order do not mix, a type error says so.
 *
 * Its register holds unsigned types and wire types with the upper bits zero, signed types up to 32 bits as two's complement in 32 bits with the
 * upper half zero.
 */
export type Value<T extends IntegerName = IntegerName> = T extends WireName
  ? WireValue<T>
  : T extends HostName
    ? HostValue<T>
    : never;

/** What may stand beside a value of type `T`: a constant in host order, or a value of a type that mixes with it. */
export type Operand<T extends IntegerName> = Literal<T> | Value<Mixable<T>>;

/** A value in the machine's byte order. Arithmetic is that of C: types below 32 bits widen to 32, and it wraps around at 32 and 64 bits. */
export class HostValue<T extends HostName = HostName> extends Typed<T> {
  /** Sum. */
  add(other: Operand<T>): Value<Promoted<T>> {
    return this.#result(this.alu('add', other));
  }

  /** Difference. */
  sub(other: Operand<T>): Value<Promoted<T>> {
    return this.#result(this.alu('sub', other));
  }

  /** Product. */
  mul(other: Operand<T>): Value<Promoted<T>> {
    return this.#result(this.alu('mul', other));
  }

  /** Quotient, rounded to zero; 0 where the divisor is 0 (RFC 9669 section 4.1). Signed division needs version 4 of the instruction set. */
  div(other: Operand<T>): Value<Promoted<T>> {
    this.#refuseZero(other);
    return this.#result(this.alu(factsOf(this.type).signed ? 'sdiv' : 'div', other));
  }

  /** Remainder with the sign of the dividend; the dividend where the divisor is 0. */
  mod(other: Operand<T>): Value<Promoted<T>> {
    this.#refuseZero(other);
    return this.#result(this.alu(factsOf(this.type).signed ? 'smod' : 'mod', other));
  }

  /** Bits that both have. */
  and(other: Operand<T>): Value<Promoted<T>> {
    return this.#result(this.alu('and', other));
  }

  /** Bits that one of them has. */
  or(other: Operand<T>): Value<Promoted<T>> {
    return this.#result(this.alu('or', other));
  }

  /** Bits that exactly one of them has. */
  xor(other: Operand<T>): Value<Promoted<T>> {
    return this.#result(this.alu('xor', other));
  }

  /** Every bit the other way. */
  invert(): Value<Promoted<T>> {
    const { width } = factsOf(promoted(this.type));
    const b = this.scope.at();
    return this.#result(b.alu('xor', this.ir, b.constant(width === 64 ? -1n : 0xffff_ffffn), width));
  }

  /** The negative, for signed types; `0 - x`, wrapped around, for the others. */
  neg(): Value<Promoted<T>> {
    return this.#result(this.scope.at().neg(this.ir, factsOf(promoted(this.type)).width));
  }

  /** Shifted left. A constant is less than the width; of a value, only the low bits count. */
  shl(count: number | Value<HostName>): Value<Promoted<T>> {
    return this.#shift('lsh', count);
  }

  /** Shifted right: signed types keep their sign. */
  shr(count: number | Value<HostName>): Value<Promoted<T>> {
    return this.#shift(factsOf(this.type).signed ? 'arsh' : 'rsh', count);
  }

  /** Less. */
  lt(other: Operand<T>): Condition {
    return this.#order('jlt', 'jslt', other);
  }

  /** Less or equal. */
  le(other: Operand<T>): Condition {
    return this.#order('jle', 'jsle', other);
  }

  /** Greater. */
  gt(other: Operand<T>): Condition {
    return this.#order('jgt', 'jsgt', other);
  }

  /** Greater or equal. */
  ge(other: Operand<T>): Condition {
    return this.#order('jge', 'jsge', other);
  }

  /** The low 8 bits, as C's conversion. */
  u8(): Value<'u8'> {
    return convert(this, 'u8');
  }

  /** The low 16 bits, as C's conversion. */
  u16(): Value<'u16'> {
    return convert(this, 'u16');
  }

  /** The low 32 bits, as C's conversion. */
  u32(): Value<'u32'> {
    return convert(this, 'u32');
  }

  /** Widened to 64 bits by its own sign, then taken unsigned. */
  u64(): Value<'u64'> {
    return convert(this, 'u64');
  }

  /** The low 8 bits, signed. */
  i8(): Value<'i8'> {
    return convert(this, 'i8');
  }

  /** The low 16 bits, signed. */
  i16(): Value<'i16'> {
    return convert(this, 'i16');
  }

  /** The low 32 bits, signed. */
  i32(): Value<'i32'> {
    return convert(this, 'i32');
  }

  /** Widened to 64 bits by its own sign. */
  i64(): Value<'i64'> {
    return convert(this, 'i64');
  }

  /** In network byte order: `u16` to `be16`, and so on. */
  toWire(): T extends 'u16'
    ? Value<'be16'>
    : T extends 'u32'
      ? Value<'be32'>
      : T extends 'u64'
        ? Value<'be64'>
        : never {
    const { bits, signed } = factsOf(this.type);
    if (bits === 8 || signed)
      throw this.scope.error(`${this.type} has no form in network byte order`, 'convert it to u16, u32 or u64');
    return makeValue(this.scope, `be${bits}`, this.scope.at().swap('be', bits, this.ir)) as never;
  }

  #result(ir: IrValue): Value<Promoted<T>> {
    return makeValue(this.scope, promoted(this.type) as Promoted<T>, ir);
  }

  #order(unsigned: JumpOp, signed: JumpOp, other: Operand<T>): Condition {
    return this.compare(factsOf(this.type).signed ? signed : unsigned, other);
  }

  #shift(op: 'lsh' | 'rsh' | 'arsh', count: number | Value<HostName>): Value<Promoted<T>> {
    const { width } = factsOf(promoted(this.type));
    if (typeof count === 'number' && (!Number.isInteger(count) || count < 0 || count >= width)) {
      throw this.scope.error(`a shift by ${count} of ${width} bits`, `shift by 0 to ${width - 1}`);
    }
    const by = typeof count === 'number' ? this.scope.at().constant(count) : own(this.scope, count).ir;
    return this.#result(this.scope.at().alu(op, this.ir, by, width));
  }

  #refuseZero(divisor: unknown): void {
    if (divisor === 0 || divisor === 0n)
      throw this.scope.error('a division by the constant 0', 'divide by something else');
  }
}

/** A value in network byte order, as it stands in packets. It can be compared, masked, stored and converted; constants are written in host order. */
export class WireValue<T extends WireName = WireName> extends Typed<T> {
  /** Bits that both have. */
  and(other: Operand<T>): Value<T> {
    return makeValue(this.scope, this.type, this.alu('and', other)) as Value<T>;
  }

  /** Bits that one of them has. */
  or(other: Operand<T>): Value<T> {
    return makeValue(this.scope, this.type, this.alu('or', other)) as Value<T>;
  }

  /** Bits that exactly one of them has. */
  xor(other: Operand<T>): Value<T> {
    return makeValue(this.scope, this.type, this.alu('xor', other)) as Value<T>;
  }

  /** In the machine's byte order, to calculate with. */
  toHost(): T extends 'be16' ? Value<'u16'> : T extends 'be32' ? Value<'u32'> : Value<'u64'> {
    const { bits } = factsOf(this.type);
    const ir = this.scope.at().swap('be', bits as 16 | 32 | 64, this.ir);
    return makeValue(this.scope, `u${bits}` as 'u16', ir) as never;
  }

  /**
   * Whether an IPv4 address is of a prefix.
   *
   * @param prefix - such as `10.0.0.0/8`.
   * @throws BpfAsmError `ERR_LANGUAGE` when it is no prefix, or has bits after its length.
   */
  within(prefix: T extends 'be32' ? string : never): Condition {
    const source = this.scope.unit.locate();
    const { address, length } = parsePrefix(prefix, 32, source);
    if (ipv4Address.check(address) !== undefined)
      throw this.scope.error(`${show(prefix)} is no IPv4 prefix`, "write it like '10.0.0.0/8'");
    const mask = constantPattern('be32', length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0);
    const network = constantPattern('be32', address);
    if ((network & ~mask) !== 0n) {
      throw this.scope.error(`${show(prefix)} has bits after its length`, 'write the first address of the prefix');
    }
    const b = this.scope.at();
    const masked = length === 32 ? this.ir : length === 0 ? b.constant(0) : b.alu('and', this.ir, b.constant(mask), 32);
    return compare(this.scope, 'jeq', 32, masked, b.constant(network));
  }
}

/** Makes a value of a type by its name. */
export function makeValue<T extends IntegerName>(scope: Scope, type: T, ir: IrValue): Value<T> {
  return (
    factsOf(type).wire ? new WireValue(scope, type as WireName, ir) : new HostValue(scope, type as HostName, ir)
  ) as Value<T>;
}

function convert<T extends HostName>(value: Typed<HostName>, to: T): Value<T> {
  return makeValue(value.scope, to, conversion(value, to));
}

/** Signed types below 64 bits are kept in 32, so they are extended in two steps. */
function conversion({ scope, type, ir }: Typed<HostName>, to: HostName): IrValue {
  const [source, target] = [factsOf(type), factsOf(to)];
  const b = scope.at();
  if (target.bits === 64) return source.signed && source.bits < 64 ? b.sext(32, ir) : ir;
  const fits =
    source.signed === target.signed ? source.bits <= target.bits : !source.signed && source.bits < target.bits;
  if (fits || (target.bits === 32 && source.bits <= 32)) return ir;
  if (!target.signed || target.bits === 32) return b.zext(target.bits, ir);
  return b.zext(32, b.sext(target.bits, ir));
}
