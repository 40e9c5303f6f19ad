import { evaluateAlu, evaluateCompare, evaluateExtend, evaluateNeg, evaluateSwap } from '../ir/evaluate.ts';
import { removeUnreachable, successorsOf } from '../ir/graph.ts';
import type { IrBlock, IrFunction, IrInstruction, IrPhi, IrTerminator, IrValue } from '../ir/ir.ts';
import { isLeaf, operandsOf, replaceValues } from '../ir/operands.ts';

/** What is known of a value: nothing yet, that it is always this number, or that it varies. */
type Knowledge = bigint | 'nothing' | 'varies';

/**
 * Finds values that are always the same number, and branches that always go the same way (Wegman and Zadeck, "Constant Propagation with Conditional
 * Branches", 1991): a value is looked at only on the paths that can be taken. Blocks that no path leads to are removed.
 */
export function propagateConstants(fn: IrFunction): void {
  new Propagation(fn).run();
}

class Propagation {
  readonly #fn: IrFunction;
  readonly #known = new Map<IrValue, Knowledge>();
  readonly #users = new Map<IrValue, (() => void)[]>();
  /** Edges that can be taken, as `from to`. */
  readonly #edges = new Set<string>();
  readonly #reached = new Set<IrBlock>();
  readonly #pendingEdges: [IrBlock | undefined, IrBlock][] = [];
  readonly #pendingUsers: (() => void)[] = [];

  constructor(fn: IrFunction) {
    this.#fn = fn;
  }

  run(): void {
    for (const block of this.#fn.blocks) this.#register(block);
    this.#pendingEdges.push([undefined, this.#fn.blocks[0] as IrBlock]);
    for (;;) {
      const edge = this.#pendingEdges.pop();
      if (edge !== undefined) {
        this.#take(...edge);
        continue;
      }
      const user = this.#pendingUsers.pop();
      if (user === undefined) break;
      user();
    }
    this.#apply();
  }

  #register(block: IrBlock): void {
    const whenReached = (visit: () => void) => (): void => {
      if (this.#reached.has(block)) visit();
    };
    const use = (value: IrValue, visit: () => void): void => {
      if (isLeaf(value)) return;
      const users = this.#users.get(value);
      if (users === undefined) this.#users.set(value, [visit]);
      else users.push(visit);
    };
    for (const phi of block.phis) {
      const visit = whenReached(() => this.#phi(block, phi));
      for (const { value } of phi.inputs) use(value, visit);
    }
    for (const instruction of block.instructions) {
      const visit = whenReached(() => this.#learn(instruction, this.#evaluate(instruction)));
      for (const value of operandsOf(instruction)) use(value, visit);
    }
    const visit = whenReached(() => this.#follow(block));
    for (const value of operandsOf(block.terminator)) use(value, visit);
  }

  #take(from: IrBlock | undefined, to: IrBlock): void {
    const key = `${from?.id} ${to.id}`;
    if (this.#edges.has(key)) return;
    this.#edges.add(key);
    for (const phi of to.phis) this.#phi(to, phi);
    if (this.#reached.has(to)) return;
    this.#reached.add(to);
    for (const instruction of to.instructions) this.#learn(instruction, this.#evaluate(instruction));
    this.#follow(to);
  }

  #phi(block: IrBlock, phi: IrPhi): void {
    let all: Knowledge = 'nothing';
    for (const input of phi.inputs) {
      if (!this.#edges.has(`${input.block.id} ${block.id}`)) continue;
      const known = this.#of(input.value);
      if (known === 'nothing' || known === all) continue;
      all = all === 'nothing' ? known : 'varies';
    }
    this.#learn(phi, all);
  }

  #learn(value: IrValue, knowledge: Knowledge): void {
    const before = this.#known.get(value) ?? 'nothing';
    if (before === knowledge || before === 'varies') return;
    this.#known.set(value, knowledge);
    this.#pendingUsers.push(...(this.#users.get(value) ?? []));
  }

  #of(value: IrValue): Knowledge {
    if (value.op === 'const') return value.value;
    return isLeaf(value) ? 'varies' : (this.#known.get(value) ?? 'nothing');
  }

  #evaluate(i: IrInstruction): Knowledge {
    switch (i.op) {
      case 'alu':
        return this.#two(i.a, i.b, (a, b) => evaluateAlu(i.alu, i.width, a, b));
      case 'neg':
        return this.#one(i.a, (a) => evaluateNeg(i.width, a));
      case 'sext':
      case 'zext':
        return this.#one(i.a, (a) => evaluateExtend(i.op, i.bits, a));
      case 'swap':
        return this.#one(i.a, (a) => evaluateSwap(i.swap, i.bits, a));
      default:
        return 'varies';
    }
  }

  #one(a: IrValue, evaluate: (a: bigint) => bigint): Knowledge {
    const known = this.#of(a);
    return typeof known === 'bigint' ? evaluate(known) : known;
  }

  #two(a: IrValue, b: IrValue, evaluate: (a: bigint, b: bigint) => bigint): Knowledge {
    const [left, right] = [this.#of(a), this.#of(b)];
    if (left === 'varies' || right === 'varies') return 'varies';
    return left === 'nothing' || right === 'nothing' ? 'nothing' : evaluate(left, right);
  }

  #follow(block: IrBlock): void {
    const only = this.#decided(block.terminator);
    if (only === 'nothing') return;
    const successors = only === undefined ? successorsOf(block.terminator) : [only];
    for (const to of successors) this.#pendingEdges.push([block, to]);
  }

  /** Where a branch always goes; undefined where that varies. */
  #decided(terminator: IrTerminator): IrBlock | undefined | 'nothing' {
    if (terminator.op !== 'branch') return undefined;
    const { compare, width, a, b } = terminator;
    const holds = this.#two(a, b, (left, right) => (evaluateCompare(compare, width, left, right) ? 1n : 0n));
    if (holds === 'nothing') return 'nothing';
    return holds === 'varies' ? undefined : holds === 1n ? terminator.yes : terminator.no;
  }

  #apply(): void {
    const constants = new Map<IrValue, IrValue>();
    for (const [value, known] of this.#known) {
      if (typeof known === 'bigint') constants.set(value, this.#fn.constant(known));
    }
    for (const block of this.#fn.blocks) {
      const { terminator } = block;
      const to = this.#reached.has(block) ? this.#decided(terminator) : undefined;
      if (to === undefined || to === 'nothing') continue;
      const gone = successorsOf(terminator).find((successor) => successor !== to);
      for (const phi of gone?.phis ?? []) phi.inputs = phi.inputs.filter((input) => input.block !== block);
      block.terminator = { op: 'jump', to, source: terminator.source };
    }
    for (const block of this.#fn.blocks) {
      block.phis = block.phis.filter((phi) => !constants.has(phi));
      block.instructions = block.instructions.filter((instruction) => !constants.has(instruction));
    }
    replaceValues(this.#fn, constants);
    removeUnreachable(this.#fn);
  }
}
