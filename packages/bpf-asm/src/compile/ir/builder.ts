import { BpfAsmError } from '../../error.ts';
import type { AtomicOp, EndOp, JumpOp, LoadType, StoreType, Width } from '../../isa/index.ts';
import type { SourcePosition } from '../../source.ts';
import { evaluateAlu, evaluateCompare, evaluateExtend, evaluateNeg, evaluateSwap } from './evaluate.ts';
import { removeUnreachable } from './graph.ts';
import {
  IrFunction,
  type IrAluOp,
  type IrBlock,
  type IrCallee,
  type IrEffects,
  type IrInstruction,
  type IrStackSlot,
  type IrTerminator,
  type IrValue,
  type MemoryClass,
} from './ir.ts';
import { replaceValues } from './operands.ts';
import { SsaVariables, type IrVariable } from './variables.ts';

/** What a call is taken to do where nothing is said: anything. */
export const ALL_EFFECTS: IrEffects = {
  writes: ['context', 'packet', 'stack', 'map', 'other'],
  removable: false,
};

/** Options of {@link FunctionBuilder.branch}. */
export interface BranchOptions {
  /** Width of the comparison in bits; 64 where nothing is said. */
  readonly width?: Width;
  /** The side that is rarely taken, such as a failed check. */
  readonly unlikely?: 'yes' | 'no';
}

/**
 * Builds a function, instruction by instruction, in the current block. Operations on constants fold at once. What follows a jump, a branch or a
 * return is unreachable until a block is entered, and is dropped without a word; so is a block that nothing leads to.
 *
 * Branches lead to blocks made by {@link block} before. A block is entered once, when everything that jumps to it is known: {@link enter}.
 * The head of a loop is entered by {@link enterLoop}, and sealed with {@link seal} when the jumps back to it are there. What
 * changes from one block to another is kept in a {@link variable}; {@link get} makes the phis that it takes.
 *
 * @example
 * ```ts
 * const b = new FunctionBuilder('main', 1);
 * const [small, done] = [b.block(), b.block()];
 * const verdict = b.variable(b.constant(0));
 * b.branch('jlt', b.load('u32', b.param(0), 0, 'context'), b.constant(64), small, done, { unlikely: 'yes' });
 * b.enter(small);
 * b.set(verdict, b.constant(2));
 * b.jump(done);
 * b.enter(done);
 * b.return(b.get(verdict));
 * const { instructions } = compile({ functions: [b.finish()] });
 * ```
 */
export class FunctionBuilder {
  /** Goes to every instruction and terminator made from now on. */
  source: SourcePosition | undefined = undefined;
  readonly #fn: IrFunction;
  readonly #variables: SsaVariables;
  /** Blocks that were made and not yet ended. */
  readonly #open = new Set<IrBlock>();
  readonly #entered = new Set<IrBlock>();
  #current: IrBlock | undefined;

  /**
   * @param name - unique in the unit; the first function of a unit is the program.
   * @param parameters - how many arguments it takes, 0 to 5; a program takes its context.
   * @throws BpfAsmError `ERR_COMPILE` for more than five parameters.
   */
  constructor(name: string, parameters: number) {
    if (!Number.isInteger(parameters) || parameters < 0 || parameters > 5) {
      throw new BpfAsmError('ERR_COMPILE', `function ${name} takes ${parameters} arguments`, {
        hint: 'at most five go in registers: pass a pointer to the stack',
      });
    }
    this.#fn = new IrFunction(name, parameters);
    this.#variables = new SsaVariables(this.#fn);
    const entry = this.block();
    this.#variables.seal(entry);
    this.#entered.add(entry);
    this.#fn.blocks.push(entry);
    this.#current = entry;
  }

  /** Whether what is emitted now can be reached. */
  get reachable(): boolean {
    return this.#current !== undefined;
  }

  /** A number, signed or unsigned; its 64-bit pattern counts. */
  constant(value: bigint | number): IrValue {
    return this.#fn.constant(value);
  }

  /** An argument; the first of a program is its context. */
  param(index: number): IrValue {
    if (index >= 0 && index < this.#fn.parameters) return this.#fn.param(index);
    throw this.#error(`function ${this.#fn.name} has no argument ${index}`);
  }

  /** Room on the stack, for the whole function. Fill it before anything reads it. The name is for messages. */
  stackSlot(size: number, align: 1 | 2 | 4 | 8, name: string): IrStackSlot {
    return this.#fn.stackSlot(size, align, name);
  }

  /** The address of a slot's first byte; loads and stores add their offset. */
  stackAddress(slot: IrStackSlot): IrValue {
    return this.#fn.stackAddress(slot);
  }

  /** The address of a map, as helpers take it. */
  map(name: string): IrValue {
    return this.#fn.map(name);
  }

  /** The address of a byte of the value of an array map of one element. */
  mapValue(name: string, offset = 0): IrValue {
    return this.#fn.mapValue(name, offset);
  }

  /** The address of another function of the unit, as helpers with callbacks take it. */
  functionAddress(name: string): IrValue {
    return this.#fn.functionAddress(name);
  }

  /** `a op b`; 32-bit operations clear the upper half of the result. */
  alu(alu: IrAluOp, a: IrValue, b: IrValue, width: Width = 64): IrValue {
    if (a.op === 'const' && b.op === 'const') return this.constant(evaluateAlu(alu, width, a.value, b.value));
    return this.#emit({ op: 'alu', ...this.#node(), alu, width, a, b });
  }

  /** `-a`. */
  neg(a: IrValue, width: Width = 64): IrValue {
    if (a.op === 'const') return this.constant(evaluateNeg(width, a.value));
    return this.#emit({ op: 'neg', ...this.#node(), width, a });
  }

  /** The low bits of `a`, sign-extended to 64. */
  sext(bits: 8 | 16 | 32, a: IrValue): IrValue {
    if (a.op === 'const') return this.constant(evaluateExtend('sext', bits, a.value));
    return this.#emit({ op: 'sext', ...this.#node(), bits, a });
  }

  /** The low bits of `a`, zero-extended to 64. Needless ones (after a load of that size) vanish. */
  zext(bits: 8 | 16 | 32, a: IrValue): IrValue {
    if (a.op === 'const') return this.constant(evaluateExtend('zext', bits, a.value));
    return this.#emit({ op: 'zext', ...this.#node(), bits, a });
  }

  /** The low bits of `a` in big-endian (`be`) or little-endian (`le`) order, the upper ones zero. */
  swap(swap: EndOp, bits: 16 | 32 | 64, a: IrValue): IrValue {
    if (a.op === 'const') return this.constant(evaluateSwap(swap, bits, a.value));
    return this.#emit({ op: 'swap', ...this.#node(), swap, bits, a });
  }

  /** What is at `base + offset`. A volatile load is neither merged nor removed. */
  load(type: LoadType, base: IrValue, offset: number, memory: MemoryClass, volatile = false): IrValue {
    return this.#emit({ op: 'load', ...this.#node(), type, base, offset, memory, volatile });
  }

  /** Puts the low bits of `value` to `base + offset`. */
  store(type: StoreType, base: IrValue, offset: number, value: IrValue, memory: MemoryClass): void {
    this.#emit({ op: 'store', ...this.#node(), type, base, offset, value, memory });
  }

  /** An atomic operation on `base + offset`; those that fetch give the old value. `expected` is for `cmpxchg`. */
  atomic(
    atomic: AtomicOp,
    base: IrValue,
    offset: number,
    value: IrValue,
    memory: MemoryClass,
    options: { readonly width?: Width; readonly expected?: IrValue } = {},
  ): IrValue {
    const { width = 64, expected } = options;
    if ((expected !== undefined) !== (atomic === 'cmpxchg')) {
      throw this.#error(`atomic ${atomic} ${expected === undefined ? 'needs' : 'has no'} value to compare with`);
    }
    return this.#emit({ op: 'atomic', ...this.#node(), atomic, width, base, offset, value, expected, memory });
  }

  /** Calls a helper, a function of the unit or a kernel function. Say what it does, or it is taken to do anything. */
  call(callee: IrCallee, args: readonly IrValue[], effects: IrEffects = ALL_EFFECTS): IrValue {
    if (args.length > 5) throw this.#error(`a call with ${args.length} arguments: five go in registers`);
    return this.#emit({ op: 'call', ...this.#node(), callee, args: [...args], effects });
  }

  /** A new block, to branch to. */
  block(): IrBlock {
    const block: IrBlock = { id: this.#fn.newId(), phis: [], instructions: [], terminator: undefined as never };
    block.terminator = { op: 'jump', to: block };
    this.#open.add(block);
    return block;
  }

  /** Goes on in `block`, to which nothing more will lead. Control does not fall into it: jump there. */
  enter(block: IrBlock): void {
    this.enterLoop(block);
    this.seal(block);
  }

  /** Goes on in `block`, to which jumps may still be made: the head of a loop. Seal it when they are. */
  enterLoop(block: IrBlock): void {
    if (this.#current !== undefined) throw this.#error(`a block was entered while another one had no end`);
    if (this.#entered.has(block)) throw this.#error(`a block was entered twice`);
    this.#entered.add(block);
    this.#fn.blocks.push(block);
    this.#current = this.#variables.hasPredecessors(block) ? block : undefined;
    if (this.#current === undefined) this.#open.delete(block);
  }

  /** Says that every jump to `block` has been made. */
  seal(block: IrBlock): void {
    this.#variables.seal(block);
  }

  /** A variable: what it holds may be set in one block and read in another. */
  variable(value?: IrValue): IrVariable {
    const variable: IrVariable = { id: this.#fn.newId() };
    if (value !== undefined) this.set(variable, value);
    return variable;
  }

  /** Changes a variable from here on. */
  set(variable: IrVariable, value: IrValue): void {
    if (this.#current !== undefined) this.#variables.set(variable, this.#current, value);
  }

  /** What a variable holds here. @throws BpfAsmError `ERR_COMPILE` when a path leads here that does not set it. */
  get(variable: IrVariable): IrValue {
    return this.#current === undefined
      ? this.constant(0)
      : this.#variables.get(variable, this.#current, () =>
          this.#error('a variable is read that may not have been set'),
        );
  }

  /** Goes on with `to`. */
  jump(to: IrBlock): void {
    this.#end({ op: 'jump', to, source: this.source }, [to]);
  }

  /** Goes on with `yes` where the comparison holds, else with `no`; a comparison of constants decides at once. */
  branch(compare: JumpOp, a: IrValue, b: IrValue, yes: IrBlock, no: IrBlock, options: BranchOptions = {}): void {
    const { width = 64, unlikely } = options;
    if (yes === no) this.jump(yes);
    else if (a.op === 'const' && b.op === 'const') {
      this.jump(evaluateCompare(compare, width, a.value, b.value) ? yes : no);
    } else {
      const source = this.source;
      this.#end({ op: 'branch', compare, width, a, b, yes, no, unlikely, source }, [yes, no]);
    }
  }

  /** Ends the function with a value. */
  return(value: IrValue): void {
    this.#end({ op: 'return', value, source: this.source }, []);
  }

  /**
   * The function. The builder is of no use afterwards.
   *
   * @throws BpfAsmError `ERR_COMPILE` when control could run off the end of the function or of a block.
   */
  finish(): IrFunction {
    for (const block of this.#open) {
      if (this.#entered.has(block) || this.#variables.hasPredecessors(block))
        throw this.#error(`control runs off the end of function ${this.#fn.name}`);
    }
    this.#variables.finish(() => this.#error('a block of a loop was not sealed, or a variable may not have been set'));
    replaceValues(this.#fn, this.#variables.replaced);
    removeUnreachable(this.#fn);
    return this.#fn;
  }

  #node(): { id: number; source: SourcePosition | undefined } {
    return { id: this.#fn.newId(), source: this.source };
  }

  #emit(instruction: IrInstruction): IrValue {
    this.#current?.instructions.push(instruction);
    return instruction;
  }

  #end(terminator: IrTerminator, successors: readonly IrBlock[]): void {
    const block = this.#current;
    if (block === undefined) return;
    block.terminator = terminator;
    this.#open.delete(block);
    this.#current = undefined;
    for (const successor of successors) {
      if (this.#variables.isSealed(successor)) throw this.#error('a jump leads to a block that was sealed before');
      this.#variables.addPredecessor(successor, block);
    }
  }

  #error(message: string): BpfAsmError {
    return new BpfAsmError('ERR_COMPILE', message, this.source === undefined ? {} : { source: this.source });
  }
}
