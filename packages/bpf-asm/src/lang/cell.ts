import type { AtomicOp } from '../isa/index.ts';
import type { IntegerName } from '../layout/index.ts';
import type { ChunkSize, Place } from './place.ts';
import { factsOf, promoted, type HostName } from './types.ts';
import { operand } from './typed.ts';
import { makeValue, type Value } from './value.ts';
import { storable, type Storable } from './variable.ts';

/** The value of some memory by its type. */
export function loadValue<T extends IntegerName>(place: Place, type: T): Value<T> {
  const { scope } = place;
  const { bits, signed } = factsOf(type);
  const loaded = place.load((bits / 8) as ChunkSize);
  const b = scope.at();
  const ir = signed && (bits === 8 || bits === 16) ? b.zext(32, b.sext(bits, loaded)) : loaded;
  return makeValue(scope, type, ir);
}

/** Types that atomic operations take. */
export type AtomicName = 'u32' | 'u64' | 'i32' | 'i64';

/** One number in memory, such as the value of a map. */
export class Cell<T extends IntegerName = IntegerName> {
  /** Name of its type. */
  readonly type: T;
  /** @internal */
  readonly place: Place;

  constructor(place: Place, type: T) {
    this.place = place;
    this.type = type;
  }

  /** What it holds now. */
  get(): Value<T> {
    return loadValue(this.place, this.type);
  }

  /** Changes what it holds. */
  set(value: Storable<T>): void {
    const ir = storable(this.place.scope, this.type, value);
    this.place.store((factsOf(this.type).bits / 8) as ChunkSize, 0, ir);
  }

  /** Adds, in three steps: for memory that nobody else writes at the same time, such as the value of a per-CPU map. */
  add(this: Cell<HostName>, value: Storable<T>): void {
    const { scope } = this.place;
    const ir = storable(scope, this.type, value);
    const { bits } = factsOf(this.type);
    const sum = scope.at().alu('add', this.get().ir, ir, factsOf(promoted(this.type)).width);
    this.place.store((bits / 8) as ChunkSize, 0, sum);
  }

  /** Adds, in one step that no other CPU can come between. */
  atomicAdd(this: Cell<AtomicName>, value: Storable<T>): void {
    this.#atomic('add', value);
  }

  /** Sets bits, in one step (Linux 5.12). */
  atomicOr(this: Cell<AtomicName>, value: Storable<T>): void {
    this.#atomic('or', value);
  }

  /** Keeps only these bits, in one step (Linux 5.12). */
  atomicAnd(this: Cell<AtomicName>, value: Storable<T>): void {
    this.#atomic('and', value);
  }

  /** Flips bits, in one step (Linux 5.12). */
  atomicXor(this: Cell<AtomicName>, value: Storable<T>): void {
    this.#atomic('xor', value);
  }

  /** Adds and gives what was there before, in one step (Linux 5.12). */
  fetchAdd(this: Cell<AtomicName>, value: Storable<T>): Value<T> {
    return this.#atomic('fetch_add', value) as Value<T>;
  }

  /** Sets, and gives what was there before, in one step (Linux 5.12). */
  exchange(this: Cell<AtomicName>, value: Storable<T>): Value<T> {
    return this.#atomic('xchg', value) as Value<T>;
  }

  /** Sets it if it holds `expected`, and gives what was there before, in one step (Linux 5.12). */
  compareExchange(this: Cell<AtomicName>, expected: Storable<T>, value: Storable<T>): Value<T> {
    return this.#atomic('cmpxchg', value, expected) as Value<T>;
  }

  #atomic(op: AtomicOp, value: unknown, expected?: unknown): Value<T> {
    const { scope, base, offset, rules } = this.place;
    const { bits } = factsOf(this.type);
    if (bits < 32) throw scope.error(`${this.type} has no atomic operations`, 'give the field 32 or 64 bits');
    if (rules.memory === 'packet' || rules.memory === 'context') {
      throw scope.error(
        `the kernel has no atomic operations on the ${rules.memory}`,
        'they are for maps and the stack',
      );
    }
    this.place.checkWritable();
    const ir = storable(scope, this.type, value);
    const compared = expected === undefined ? {} : { expected: operand(scope, this.type, expected) };
    const result = scope.at().atomic(op, base, offset, ir, rules.memory, { width: bits as 32 | 64, ...compared });
    return makeValue(scope, this.type, result);
  }
}
