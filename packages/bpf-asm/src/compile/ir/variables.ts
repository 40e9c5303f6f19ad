import type { IrBlock, IrFunction, IrPhi, IrValue } from './ir.ts';

/** Something whose value changes while the program runs. Made by the builder. */
export interface IrVariable {
  readonly id: number;
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
  readonly #waiting = new Map<IrBlock, { variable: IrVariable; phi: IrPhi; unset: () => Error }[]>();

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
    for (const { variable, phi, unset } of this.#waiting.get(block) ?? []) this.#complete(variable, phi, block, unset);
    this.#waiting.delete(block);
  }

  /** Changes a variable at the end of a block, as far as it is built. */
  set(variable: IrVariable, block: IrBlock, value: IrValue): void {
    const values = this.#values.get(variable);
    if (values === undefined) this.#values.set(variable, new Map([[block, value]]));
    else values.set(block, value);
  }

  /** The value of a variable at the end of a block. @throws what `unset` makes, when a path does not set it. */
  get(variable: IrVariable, block: IrBlock, unset: () => Error): IrValue {
    const known = this.#values.get(variable)?.get(block);
    if (known !== undefined) return this.#resolve(known);
    const predecessors = this.#predecessors.get(block) ?? [];
    let value: IrValue;
    if (!this.#sealed.has(block)) {
      const phi = this.#phi(block);
      const waiting = this.#waiting.get(block) ?? [];
      waiting.push({ variable, phi, unset });
      this.#waiting.set(block, waiting);
      value = phi;
    } else if (predecessors.length === 0) {
      throw unset();
    } else if (predecessors.length === 1) {
      value = this.get(variable, predecessors[0] as IrBlock, unset);
    } else {
      const phi = this.#phi(block);
      this.set(variable, block, phi);
      value = this.#complete(variable, phi, block, unset);
    }
    this.set(variable, block, value);
    return value;
  }

  /** Checks that all is known. @throws what `open` makes, when a block with phis is not sealed. */
  finish(open: () => Error): void {
    if (this.#waiting.size > 0) throw open();
  }

  #phi(block: IrBlock): IrPhi {
    const phi: IrPhi = { op: 'phi', id: this.#fn.newId(), inputs: [] };
    block.phis.push(phi);
    return phi;
  }

  #complete(variable: IrVariable, phi: IrPhi, block: IrBlock, unset: () => Error): IrValue {
    for (const predecessor of this.#predecessors.get(block) ?? []) {
      phi.inputs.push({ block: predecessor, value: this.get(variable, predecessor, unset) });
    }
    return this.#simplify(phi, block);
  }

  /** A phi whose inputs are all one value, or itself, is that value. */
  #simplify(phi: IrPhi, block: IrBlock): IrValue {
    let only: IrValue | undefined;
    for (const { value } of phi.inputs) {
      const input = this.#resolve(value);
      if (input === phi || input === only) continue;
      if (only !== undefined) return phi;
      only = input;
    }
    if (only === undefined) return phi;
    this.replaced.set(phi, only);
    block.phis = block.phis.filter((other) => other !== phi);
    return only;
  }

  #resolve(value: IrValue): IrValue {
    let last = value;
    for (let next = this.replaced.get(last); next !== undefined; next = this.replaced.get(last)) last = next;
    return last;
  }
}
