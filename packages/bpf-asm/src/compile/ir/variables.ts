import type { IrBlock, IrFunction, IrPhi, IrValue } from './ir.ts';

/** Something whose value changes while the program runs. Made by the builder. */
export interface IrVariable {
  readonly id: number;
}

/** A phi that does not have its inputs yet. */
interface Unfinished {
  readonly variable: IrVariable;
  readonly phi: IrPhi;
  readonly block: IrBlock;
  readonly unset: () => Error;
}

/** Turns variables into values while the graph is being built (Braun and others, "Simple and Efficient Construction of SSA Form", 2013). */
export class SsaVariables {
  /** Phis that turned out to be needless, with what stands for them. */
  readonly replaced: Map<IrValue, IrValue> = new Map<IrValue, IrValue>();
  readonly #fn: IrFunction;
  readonly #values = new Map<IrVariable, Map<IrBlock, IrValue>>();
  readonly #predecessors = new Map<IrBlock, IrBlock[]>();
  readonly #sealed = new Set<IrBlock>();
  /** Phis of blocks that are not sealed: their inputs are not all known. */
  readonly #waiting = new Map<IrBlock, Unfinished[]>();
  /** Phis that get their inputs next. A list and no recursion, however long the function is. */
  #unfinished: Unfinished[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
  }

  /** Says that control may come from `predecessor` to `block`. */
  addPredecessor(block: IrBlock, predecessor: IrBlock): void {
    const known = this.#predecessors.get(block);
    if (known === undefined) this.#predecessors.set(block, [predecessor]);
    else known.push(predecessor);
  }

  /** Tells whether anything leads to a block so far. */
  hasPredecessors(block: IrBlock): boolean {
    return this.#predecessors.has(block);
  }

  /** Tells whether all predecessors of a block are known. */
  isSealed(block: IrBlock): boolean {
    return this.#sealed.has(block);
  }

  /** Says that all predecessors of a block are known. */
  seal(block: IrBlock): void {
    if (this.#sealed.has(block)) return;
    this.#sealed.add(block);
    this.#unfinished.push(...(this.#waiting.get(block) ?? []));
    this.#waiting.delete(block);
    this.#complete();
  }

  /** Changes a variable at the end of a block, as far as it is built. */
  set(variable: IrVariable, block: IrBlock, value: IrValue): void {
    const values = this.#values.get(variable);
    if (values === undefined) this.#values.set(variable, new Map([[block, value]]));
    else values.set(block, value);
  }

  /** The value of a variable at the end of a block. @throws what `unset` makes, when a path does not set it. */
  get(variable: IrVariable, block: IrBlock, unset: () => Error): IrValue {
    const value = this.#lookUp(variable, block, unset);
    this.#complete();
    return this.#resolve(value);
  }

  #lookUp(variable: IrVariable, from: IrBlock, unset: () => Error): IrValue {
    const passed: IrBlock[] = [];
    let block = from;
    let value = this.#values.get(variable)?.get(block);
    while (value === undefined) {
      passed.push(block);
      const [first, second] = this.#predecessors.get(block) ?? [];
      if (this.#sealed.has(block) && second === undefined) {
        if (first === undefined) throw unset();
        block = first;
        value = this.#values.get(variable)?.get(block);
        continue;
      }
      const phi: IrPhi = { op: 'phi', id: this.#fn.newId(), inputs: [] };
      block.phis.push(phi);
      const unfinished = { variable, phi, block, unset };
      if (this.#sealed.has(block)) this.#unfinished.push(unfinished);
      else this.#waiting.set(block, [...(this.#waiting.get(block) ?? []), unfinished]);
      value = phi;
    }
    for (const at of passed) this.set(variable, at, value);
    return this.#resolve(value);
  }

  /** Checks that all is known. @throws what `open` makes, when a block with phis is not sealed. */
  finish(open: () => Error): void {
    if (this.#waiting.size > 0) throw open();
  }

  #complete(): void {
    const complete: Unfinished[] = [];
    for (let next = this.#unfinished.pop(); next !== undefined; next = this.#unfinished.pop()) {
      const { variable, phi, block, unset } = next;
      for (const predecessor of this.#predecessors.get(block) ?? []) {
        phi.inputs.push({ block: predecessor, value: this.#lookUp(variable, predecessor, unset) });
      }
      complete.push(next);
    }
    // The last ones stand before the first ones, which may turn out to be needless with them.
    for (const { phi, block } of complete.toReversed()) this.#simplify(phi, block);
  }

  /** A phi whose inputs are all one value, or itself, is that value. */
  #simplify(phi: IrPhi, block: IrBlock): void {
    let only: IrValue | undefined;
    for (const { value } of phi.inputs) {
      const input = this.#resolve(value);
      if (input === phi || input === only) continue;
      if (only !== undefined) return;
      only = input;
    }
    if (only === undefined) return;
    this.replaced.set(phi, only);
    block.phis = block.phis.filter((other) => other !== phi);
  }

  #resolve(value: IrValue): IrValue {
    let last = value;
    for (let next = this.replaced.get(last); next !== undefined; next = this.replaced.get(last)) last = next;
    return last;
  }
}
