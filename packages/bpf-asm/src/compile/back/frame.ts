import { BpfAsmError } from '../../error.ts';
import type { IrStackSlot } from '../ir/ir.ts';

/** Bytes of stack that a function has (`MAX_BPF_STACK` in Linux' `include/linux/filter.h`). */
const STACK_BYTES = 512;

/** The stack of a function: who stands where. Offsets are negative, from the frame pointer. */
export class Frame {
  readonly #offsets = new Map<IrStackSlot, number>();
  readonly #takers: { name: string; size: number }[] = [];
  readonly #name: string;
  #used = 0;

  /** @param name - of the function, for messages. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#used;
  }

  /** Puts a slot at an offset, which others may have too. @throws BpfAsmError `ERR_COMPILE` when it is below the end of the stack. */
  place(slot: IrStackSlot, offset: number): void {
    this.#offsets.set(slot, offset);
    this.#takers.push({ name: slot.name, size: slot.size });
    this.#use(-offset);
  }

  /** The offset of a slot, which gets a place of its own when it has none. @throws BpfAsmError `ERR_COMPILE` when the stack is full. */
  offsetOf(slot: IrStackSlot): number {
    const known = this.#offsets.get(slot);
    if (known !== undefined) return known;
    const offset = this.#take(slot.size, slot.align, slot.name);
    this.#offsets.set(slot, offset);
    return offset;
  }

  /** The offset of eight bytes for a register that is put aside. @throws BpfAsmError `ERR_COMPILE` when the stack is full. */
  spill(): number {
    return this.#take(8, 8, 'registers put aside');
  }

  #take(size: number, align: number, name: string): number {
    this.#takers.push({ name, size });
    this.#use(Math.ceil((this.#used + size) / align) * align);
    return -this.#used;
  }

  #use(depth: number): void {
    this.#used = Math.max(this.#used, depth);
    if (this.#used <= STACK_BYTES) return;
    const bytes = new Map<string, number>();
    for (const taker of this.#takers) bytes.set(taker.name, (bytes.get(taker.name) ?? 0) + taker.size);
    const largest = [...bytes].sort((a, b) => b[1] - a[1]).slice(0, 3);
    throw new BpfAsmError(
      'ERR_COMPILE',
      `function ${this.#name} needs more than the ${STACK_BYTES} bytes of stack that there are`,
      {
        field: 'stack',
        hint: `most is taken by ${largest.map(([taker, total]) => `${taker} (${total} bytes)`).join(', ')}; keep large values in a per-CPU array map`,
      },
    );
  }
}
