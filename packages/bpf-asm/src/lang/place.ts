import type { IrValue, MemoryClass } from '../compile/index.ts';
import type { StoreType } from '../isa/index.ts';
import type { Epoch } from './flow.ts';
import type { Scope } from './scope.ts';

/** Sizes that memory is read and written in. */
export type ChunkSize = 1 | 2 | 4 | 8;

/** What may be done with memory, and how. */
export interface PlaceRules {
  readonly memory: MemoryClass;
  /** How wide an access may be at an offset from `base` that is a multiple of it: the stack and contexts want alignment, packets and maps do not. */
  readonly align: ChunkSize | undefined;
  /** Set where a helper can void it: pointers into the packet. */
  readonly epoch?: Epoch;
  /** Why it cannot be written, if so. */
  readonly readOnly?: string;
  /** Called before it is used: throws when it is gone, or holds nothing yet. */
  readonly guard?: () => void;
  /** Called when a helper is about to fill it. */
  readonly filled?: () => void;
}

const STORE: Readonly<Record<ChunkSize, StoreType>> = { 1: 'u8', 2: 'u16', 4: 'u32', 8: 'u64' };

/** A piece of memory that the program may use: in the packet, on the stack, in a map's value, a record or the context. */
export class Place {
  readonly scope: Scope;
  readonly base: IrValue;
  readonly offset: number;
  readonly rules: PlaceRules;

  constructor(scope: Scope, base: IrValue, offset: number, rules: PlaceRules) {
    this.scope = scope;
    this.base = base;
    this.offset = offset;
    this.rules = rules;
  }

  /** The memory `by` bytes further on. */
  at(by: number): Place {
    return by === 0 ? this : new Place(this.scope, this.base, this.offset + by, this.rules);
  }

  /** The same offset from another pointer of the same kind. */
  rebase(base: IrValue): Place {
    return new Place(this.scope, base, this.offset, this.rules);
  }

  /** The same memory, which cannot be written, with the reason. */
  readOnly(reason: string): Place {
    return new Place(this.scope, this.base, this.offset, { ...this.rules, readOnly: reason });
  }

  /** Reads an unsigned number. */
  load(size: ChunkSize, by = 0): IrValue {
    this.#check();
    return this.scope.at().load(STORE[size], this.base, this.offset + by, this.rules.memory);
  }

  /** Writes the low bytes of a number. */
  store(size: ChunkSize, by: number, value: IrValue): void {
    this.checkWritable();
    this.scope.at().store(STORE[size], this.base, this.offset + by, value, this.rules.memory);
  }

  /** Its address. */
  pointer(): IrValue {
    this.#check();
    const b = this.scope.at();
    return this.offset === 0 ? this.base : b.alu('add', this.base, b.constant(this.offset));
  }

  /** @throws when it cannot be written, or not any more. */
  checkWritable(): void {
    this.#check();
    if (this.rules.readOnly !== undefined) throw this.scope.error(this.rules.readOnly);
  }

  /** How `size` bytes from here are best read or written: offsets and sizes, in order. */
  chunks(size: number): { readonly at: number; readonly size: ChunkSize }[] {
    const found: { at: number; size: ChunkSize }[] = [];
    for (let at = 0; at < size;) {
      const chunk = ([8, 4, 2] as const).find((wide) => wide <= size - at && this.allows(wide, at)) ?? 1;
      found.push({ at, size: chunk });
      at += chunk;
    }
    return found;
  }

  /** Whether an access of this size may be made `by` bytes from here. */
  allows(size: ChunkSize, by: number): boolean {
    const { align } = this.rules;
    return align === undefined || (size <= align && (this.offset + by) % size === 0);
  }

  #check(): void {
    if (this.rules.epoch !== undefined) this.scope.requireEpoch(this.rules.epoch);
    this.rules.guard?.();
  }
}

/** The alignment that room on the stack gets: that of the widest access that divides its size. */
function stackAlign(size: number): ChunkSize {
  return size % 8 === 0 ? 8 : size % 4 === 0 ? 4 : size % 2 === 0 ? 2 : 1;
}

/** New room on the stack, not yet filled. */
export function stackPlace(scope: Scope, size: number, name: string, rules: Partial<PlaceRules> = {}): Place {
  const align = stackAlign(size);
  const b = scope.at();
  return new Place(scope, b.stackAddress(b.stackSlot(size, align, name)), 0, { ...rules, memory: 'stack', align });
}

/** Room on the stack for what one call is given. */
export function temporaryPlace(scope: Scope, size: number, name: string): Place {
  const slot = scope.temporary(size, stackAlign(size), name);
  return new Place(scope, scope.at().stackAddress(slot), 0, { memory: 'stack', align: stackAlign(size) });
}
