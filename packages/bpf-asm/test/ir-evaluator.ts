import type { LoadType, StoreType } from '../src/isa/index.ts';
import { evaluateAlu, evaluateCompare, evaluateExtend, evaluateNeg, evaluateSwap } from '../src/compile/ir/evaluate.ts';
import { inputFrom } from '../src/compile/ir/operands.ts';
import type {
  IrAtomic,
  IrBlock,
  IrFunction,
  IrInstruction,
  IrStackSlot,
  IrUnit,
  IrValue,
} from '../src/compile/index.ts';

const SIZE: Readonly<Record<LoadType, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, s8: 1, s16: 2, s32: 4 };
const MEMORY = 1n << 32n;
const STACK = 1n << 40n;

/** What a unit gives when it is evaluated as it stands, without any compiler: its result, and the memory that it was given. */
export function evaluateUnit(unit: IrUnit, memory: Uint8Array): { r0: bigint; memory: Uint8Array } {
  return new Evaluator(unit).run(memory);
}

class Evaluator {
  readonly #unit: IrUnit;
  readonly #bytes = new Map<bigint, number>();
  #stack = STACK;
  #steps = 0;

  constructor(unit: IrUnit) {
    this.#unit = unit;
  }

  run(memory: Uint8Array): { r0: bigint; memory: Uint8Array } {
    memory.forEach((byte, index) => this.#bytes.set(MEMORY + BigInt(index), byte));
    const r0 = this.#function(this.#unit.functions[0] as IrFunction, [MEMORY]);
    return { r0, memory: memory.map((_, index) => this.#bytes.get(MEMORY + BigInt(index)) as number) };
  }

  #function(fn: IrFunction, args: readonly bigint[]): bigint {
    const frame = new Frame(args, (slot) => {
      const at = this.#stack;
      this.#stack += BigInt(slot.size);
      return at;
    });
    let block = fn.blocks[0] as IrBlock;
    let from: IrBlock | undefined;
    for (;;) {
      const came = from as IrBlock;
      const phis = block.phis.map((phi) => frame.value(inputFrom(phi, came) as IrValue));
      block.phis.forEach((phi, index) => frame.set(phi, phis[index] as bigint));
      for (const instruction of block.instructions) {
        if (++this.#steps > 100_000) throw new Error('the program does not end');
        frame.set(instruction, this.#instruction(instruction, frame));
      }
      const { terminator } = block;
      if (terminator.op === 'return') return frame.value(terminator.value);
      from = block;
      if (terminator.op === 'jump') block = terminator.to;
      else {
        const { compare, width, a, b } = terminator;
        block = evaluateCompare(compare, width, frame.value(a), frame.value(b)) ? terminator.yes : terminator.no;
      }
    }
  }

  #instruction(i: IrInstruction, frame: Frame): bigint {
    switch (i.op) {
      case 'alu':
        return evaluateAlu(i.alu, i.width, frame.value(i.a), frame.value(i.b));
      case 'neg':
        return evaluateNeg(i.width, frame.value(i.a));
      case 'sext':
      case 'zext':
        return evaluateExtend(i.op, i.bits, frame.value(i.a));
      case 'swap':
        return evaluateSwap(i.swap, i.bits, frame.value(i.a));
      case 'load':
        return this.#load(i.type, frame.value(i.base) + BigInt(i.offset));
      case 'store':
        this.#store(i.type, frame.value(i.base) + BigInt(i.offset), frame.value(i.value));
        return 0n;
      case 'atomic':
        return this.#atomic(i, frame);
      case 'call': {
        const { callee } = i;
        const fn = callee.kind === 'local' ? this.#unit.functions.find(({ name }) => name === callee.name) : undefined;
        if (fn === undefined) throw new Error('only functions of the unit can be evaluated');
        return this.#function(
          fn,
          i.args.map((arg) => frame.value(arg)),
        );
      }
    }
  }

  #atomic(i: IrAtomic, frame: Frame): bigint {
    const address = frame.value(i.base) + BigInt(i.offset);
    const type = i.width === 64 ? 'u64' : 'u32';
    const old = this.#load(type, address);
    const value = BigInt.asUintN(i.width, frame.value(i.value));
    const op = i.atomic.replace('fetch_', '');
    if (op === 'xchg') this.#store(type, address, value);
    else if (op === 'cmpxchg') {
      if (old === BigInt.asUintN(i.width, frame.value(i.expected as IrValue))) this.#store(type, address, value);
    } else this.#store(type, address, evaluateAlu(op as 'add', i.width, old, value));
    return old;
  }

  #load(type: LoadType, address: bigint): bigint {
    let value = 0n;
    for (let byte = SIZE[type] - 1; byte >= 0; byte--) {
      const at = this.#bytes.get(address + BigInt(byte));
      if (at === undefined) throw new Error(`nothing was stored at ${address + BigInt(byte)}`);
      value = (value << 8n) | BigInt(at);
    }
    return type.startsWith('s') ? BigInt.asUintN(64, BigInt.asIntN(SIZE[type] * 8, value)) : value;
  }

  #store(type: StoreType, address: bigint, value: bigint): void {
    for (let byte = 0; byte < SIZE[type]; byte++) {
      this.#bytes.set(address + BigInt(byte), Number((value >> BigInt(8 * byte)) & 0xffn));
    }
  }
}

class Frame {
  readonly #args: readonly bigint[];
  readonly #values = new Map<IrValue, bigint>();
  readonly #slots = new Map<IrStackSlot, bigint>();
  readonly #place: (slot: IrStackSlot) => bigint;

  constructor(args: readonly bigint[], place: (slot: IrStackSlot) => bigint) {
    this.#args = args;
    this.#place = place;
  }

  set(value: IrValue, content: bigint): void {
    this.#values.set(value, content);
  }

  value(value: IrValue): bigint {
    switch (value.op) {
      case 'const':
        return value.value;
      case 'param':
        return this.#args[value.index] as bigint;
      case 'stack_address': {
        const known = this.#slots.get(value.slot);
        if (known !== undefined) return known;
        const placed = this.#place(value.slot);
        this.#slots.set(value.slot, placed);
        return placed;
      }
      default: {
        const content = this.#values.get(value);
        if (content === undefined) throw new Error(`${value.op} ${value.id} is used before it has a value`);
        return content;
      }
    }
  }
}
