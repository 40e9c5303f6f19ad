import type { SourcePosition } from '../../source.ts';
import type { IrAlu, IrAluOp, IrConst, IrExtend, IrFunction, IrInstruction, IrSwap, IrValue } from '../ir/ir.ts';
import { replaceValues, rewriteOperands } from '../ir/operands.ts';

/** What rules of {@link simplify} make new instructions with: they are put before the one at hand. */
export class Rewriter {
  readonly fn: IrFunction;
  /** How often each value was used when the round began. */
  readonly uses: ReadonlyMap<IrValue, number>;
  /** Whether anything was changed. */
  changed = false;
  source: SourcePosition | undefined = undefined;
  #out: IrInstruction[] = [];
  readonly #replaced = new Map<IrValue, IrValue>();

  constructor(fn: IrFunction, uses: ReadonlyMap<IrValue, number>) {
    this.fn = fn;
    this.uses = uses;
  }

  /** Calls `rule` for each instruction, and puts the value that it returns in the instruction's place; itself to keep it. */
  run(rule: (instruction: IrInstruction) => IrValue, atEnd: (block: IrFunction['blocks'][number]) => void): void {
    for (const block of this.fn.blocks) {
      this.#out = [];
      for (const instruction of block.instructions) {
        this.source = instruction.source;
        rewriteOperands(instruction, (value) => this.#resolve(value));
        const by = rule(instruction);
        if (by === instruction) {
          this.#out.push(instruction);
        } else {
          this.#replaced.set(instruction, by);
          this.changed = true;
        }
      }
      this.source = block.terminator.source;
      rewriteOperands(block.terminator, (value) => this.#resolve(value));
      atEnd(block);
      block.instructions = this.#out;
    }
    replaceValues(this.fn, this.#replaced);
  }

  /** Tells whether a value has no other user than the one that is being looked at. */
  usedOnce(value: IrValue): boolean {
    return this.uses.get(value) === 1;
  }

  constant(value: bigint | number): IrConst {
    return this.fn.constant(value);
  }

  alu(alu: IrAluOp, width: 32 | 64, a: IrValue, b: IrValue): IrAlu {
    return this.#add({ op: 'alu', id: this.fn.newId(), source: this.source, alu, width, a, b });
  }

  extend(op: 'sext' | 'zext', bits: IrExtend['bits'], a: IrValue): IrExtend {
    return this.#add({ op, id: this.fn.newId(), source: this.source, bits, a });
  }

  swap(bits: IrSwap['bits'], a: IrValue): IrSwap {
    return this.#add({ op: 'swap', id: this.fn.newId(), source: this.source, swap: 'be', bits, a });
  }

  #add<T extends IrInstruction>(instruction: T): T {
    this.#out.push(instruction);
    this.changed = true;
    return instruction;
  }

  #resolve(value: IrValue): IrValue {
    let last = value;
    for (let next = this.#replaced.get(last); next !== undefined; next = this.#replaced.get(last)) last = next;
    return last;
  }
}
