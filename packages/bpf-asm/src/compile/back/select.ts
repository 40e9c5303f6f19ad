import type { Instruction } from '../../isa/index.ts';
import type {
  IrAlu,
  IrAtomic,
  IrBlock,
  IrBranch,
  IrCall,
  IrFunction,
  IrInstruction,
  IrLeaf,
  IrLoad,
  IrStore,
  IrValue,
} from '../ir/ir.ts';
import { SWAPPED_COMPARE } from '../ir/compare.ts';
import { liveAtEnd } from '../ir/liveness.ts';
import { fetches, inputFrom, isLeaf, operandsOf } from '../ir/operands.ts';
import { placeOf } from '../ir/slots.ts';
import type { Frame } from './frame.ts';
import { immediate32, immediate64, materialise } from './leaves.ts';
import {
  FIRST_VIRTUAL,
  FRAME,
  NO_REGISTER,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type Reg,
} from './machine.ts';
import { orderMoves } from './parallel-moves.ts';
import { Templates, type Operand } from './template.ts';

/** Operations whose operands may change places. */
const COMMUTATIVE: ReadonlySet<string> = new Set(['add', 'mul', 'and', 'or', 'xor']);

/** Options of {@link select}. */
export interface SelectOptions {
  /** Whether there are moves with sign extension (cpu v4). */
  readonly movsx: boolean;
}

/**
 * Chooses machine instructions for a function, over virtual registers. Operations get their two-address form: a copy of the first operand,
 * which coalescing removes wherever the operand is not needed any more. Phis become copies at the ends of the blocks before.
 *
 * @param fn - without critical edges to blocks with phis, and lowered to what the machine has.
 */
export function select(fn: IrFunction, frame: Frame, options: SelectOptions): MachineFunction {
  return new Selector(fn, frame, options).run();
}

class Selector {
  readonly #fn: IrFunction;
  readonly #frame: Frame;
  readonly #options: SelectOptions;
  readonly #registers = new Map<IrValue, Reg>();
  readonly #blocks = new Map<IrBlock, MachineBlock>();
  readonly #liveAtEnd: Map<IrBlock, Set<IrValue>>;
  #nextRegister = FIRST_VIRTUAL;
  #out: MachineInstruction[] = [];
  /** Leaves that are in a register since some instruction of this block. */
  #ready = new Map<IrLeaf, Reg>();
  /** Values that the instruction at hand is the last one to need. */
  #dying = new Set<IrValue>();
  #make = new Templates(undefined);

  constructor(fn: IrFunction, frame: Frame, options: SelectOptions) {
    this.#fn = fn;
    this.#frame = frame;
    this.#options = options;
    this.#liveAtEnd = liveAtEnd(fn);
  }

  run(): MachineFunction {
    for (const block of this.#fn.blocks) {
      const placeholder = { kind: 'exit', source: undefined } as const;
      this.#blocks.set(block, { id: block.id, instructions: [], terminator: placeholder });
    }
    const used = new Set<IrValue>();
    for (const block of this.#fn.blocks) {
      for (const node of [...block.instructions, block.terminator])
        for (const value of operandsOf(node)) used.add(value);
      for (const phi of block.phis) for (const { value } of phi.inputs) used.add(value);
    }
    for (const block of this.#fn.blocks) {
      this.#out = [];
      this.#ready = new Map();
      if (block === this.#fn.blocks[0]) this.#parameters(used);
      this.#block(block);
    }
    return {
      name: this.#fn.name,
      blocks: this.#fn.blocks.map((block) => this.#machineBlock(block)),
      registers: this.#nextRegister,
      stack: this.#frame.used,
    };
  }

  #parameters(used: ReadonlySet<IrValue>): void {
    for (let index = 0; index < this.#fn.parameters; index++) {
      const param = this.#fn.param(index);
      if (used.has(param)) this.#out.push(this.#make.move(this.#resultOf(param), index + 1));
    }
  }

  #block(block: IrBlock): void {
    const lastUses = this.#lastUses(block);
    block.instructions.forEach((instruction, index) => {
      this.#dying = lastUses[index] as Set<IrValue>;
      this.#make = new Templates(instruction.source);
      this.#instruction(instruction);
    });
    this.#make = new Templates(block.terminator.source);
    this.#terminator(block);
    this.#machineBlock(block).instructions = this.#out;
  }

  #lastUses(block: IrBlock): Set<IrValue>[] {
    const live = new Set(this.#liveAtEnd.get(block));
    for (const value of operandsOf(block.terminator)) live.add(value);
    const last: Set<IrValue>[] = [];
    for (let index = block.instructions.length - 1; index >= 0; index--) {
      const operands = operandsOf(block.instructions[index] as IrInstruction);
      last[index] = new Set(operands.filter((value) => !live.has(value)));
      for (const value of operands) live.add(value);
    }
    return last;
  }

  #instruction(i: IrInstruction): void {
    switch (i.op) {
      case 'alu':
        return this.#alu(i);
      case 'neg':
        this.#copy(this.#resultOf(i), i.a);
        this.#out.push(this.#make.neg(i.width, this.#resultOf(i)));
        return;
      case 'sext':
        return this.#sext(i.bits, this.#resultOf(i), i.a);
      case 'zext':
        return this.#zext(i.bits, this.#resultOf(i), i.a);
      case 'swap':
        if (i.swap === 'le' && i.bits < 64) return this.#zext(i.bits as 16 | 32, this.#resultOf(i), i.a);
        this.#copy(this.#resultOf(i), i.a);
        if (i.swap !== 'le') this.#out.push(this.#make.bigEndian(i.bits, this.#resultOf(i)));
        return;
      case 'load':
        return this.#load(i);
      case 'store':
        return this.#store(i);
      case 'atomic':
        return this.#atomic(i);
      case 'call':
        return this.#call(i);
    }
  }

  #alu(i: IrAlu): void {
    const place = placeOf(i);
    if (place !== undefined) {
      const immediate = this.#frame.offsetOf(place.slot) + place.offset;
      this.#out.push(
        this.#make.move(this.#resultOf(i), FRAME),
        this.#make.alu('add', 64, this.#resultOf(i), { immediate }),
      );
      return;
    }
    let { a, b } = i;
    const otherWay = a.op === 'const' ? b.op !== 'const' : !this.#dying.has(a) && this.#dying.has(b);
    if (COMMUTATIVE.has(i.alu) && otherWay && !(b.op === 'const' && this.#immediate(b, i.width) !== undefined))
      [a, b] = [b, a];
    const dst = this.#resultOf(i);
    const operand = this.#operand(b, i.width);
    this.#copy(dst, a);
    this.#out.push(this.#make.alu(i.alu, i.width, dst, operand));
  }

  #sext(bits: 8 | 16 | 32, dst: Reg, a: IrValue): void {
    if (this.#options.movsx) {
      this.#out.push(this.#make.movsx(bits, dst, this.#register(a)));
      return;
    }
    this.#copy(dst, a);
    const operand = { immediate: 64 - bits };
    this.#out.push(this.#make.alu('lsh', 64, dst, operand), this.#make.alu('arsh', 64, dst, operand));
  }

  #zext(bits: 8 | 16 | 32, dst: Reg, a: IrValue): void {
    if (bits === 32) {
      this.#out.push(this.#make.alu('mov', 32, dst, { reg: this.#register(a) }));
      return;
    }
    this.#copy(dst, a);
    this.#out.push(this.#make.alu('and', 64, dst, { immediate: bits === 8 ? 0xff : 0xffff }));
  }

  #load(i: IrLoad): void {
    const [base, offset] = this.#address(i.base, i.offset);
    this.#out.push(this.#make.load(i.type, this.#resultOf(i), base, offset));
  }

  #store(i: IrStore): void {
    const [base, offset] = this.#address(i.base, i.offset);
    const { value, type } = i;
    let operand: Operand | undefined;
    if (value.op === 'const') {
      const immediate = type === 'u64' ? immediate64(value) : immediate32(value);
      if (immediate !== undefined)
        operand = { immediate: type === 'u64' || type === 'u32' ? immediate : narrow(type, immediate) };
    }
    this.#out.push(this.#make.store(type, base, offset, operand ?? { reg: this.#register(value) }));
  }

  #atomic(i: IrAtomic): void {
    const [base, offset] = this.#address(i.base, i.offset);
    if (i.expected !== undefined) {
      const value = this.#register(i.value);
      this.#copy(0, i.expected);
      this.#out.push(this.#make.atomic(i.atomic, i.width, base, offset, value), this.#make.move(this.#resultOf(i), 0));
    } else if (fetches(i.atomic)) {
      const dst = this.#resultOf(i);
      this.#copy(dst, i.value);
      this.#out.push(this.#make.atomic(i.atomic, i.width, base, offset, dst));
    } else {
      this.#out.push(this.#make.atomic(i.atomic, i.width, base, offset, this.#register(i.value)));
    }
  }

  #call(i: IrCall): void {
    i.args.forEach((arg, index) => this.#copy(index + 1, arg));
    const { callee } = i;
    const target: Instruction<string> =
      callee.kind === 'helper'
        ? { kind: 'call', helper: callee.id }
        : callee.kind === 'local'
          ? { kind: 'call_local', target: callee.name }
          : { kind: 'call_kfunc', id: callee.id, offset: callee.offset };
    this.#out.push(this.#make.call(target, i.args.length));
    this.#ready.clear();
    this.#out.push(this.#make.move(this.#resultOf(i), 0));
  }

  #terminator(block: IrBlock): void {
    const at = this.#machineBlock(block);
    const { terminator } = block;
    const { source } = terminator;
    switch (terminator.op) {
      case 'return':
        this.#copy(0, terminator.value);
        at.terminator = { kind: 'exit', source };
        return;
      case 'jump':
        this.#phiCopies(block, terminator.to);
        at.terminator = { kind: 'jump', to: this.#machineBlock(terminator.to), source };
        return;
      case 'branch':
        at.terminator = this.#branch(terminator);
    }
  }

  #branch(i: IrBranch): MachineBlock['terminator'] {
    let { a, b, compare } = i;
    if (a.op === 'const' && b.op !== 'const') [a, b, compare] = [b, a, SWAPPED_COMPARE[compare]];
    const operand = this.#operand(b, i.width);
    return {
      kind: 'branch',
      op: compare,
      width: i.width,
      a: this.#register(a),
      b: 'reg' in operand ? operand.reg : NO_REGISTER,
      immediate: 'reg' in operand ? 0 : operand.immediate,
      yes: this.#machineBlock(i.yes),
      no: this.#machineBlock(i.no),
      unlikely: i.unlikely,
      source: i.source,
    };
  }

  /** The phis of a block all take their values at once. */
  #phiCopies(from: IrBlock, to: IrBlock): void {
    const moves = to.phis.map((phi) => {
      const what = inputFrom(phi, from) as IrValue;
      const reg = what.op === 'param' || !isLeaf(what) ? this.#resultOf(what) : undefined;
      return { to: this.#resultOf(phi), from: reg, what };
    });
    for (const move of orderMoves(moves, () => this.#nextRegister++)) {
      if (move.what !== undefined) this.#copy(move.to, move.what);
      else this.#out.push(this.#make.move(move.to, move.from as Reg));
    }
  }

  #machineBlock(block: IrBlock): MachineBlock {
    return this.#blocks.get(block) as MachineBlock;
  }

  /** The register of a value, which the instruction at hand, or one before, gives a value to. */
  #resultOf(value: IrValue): Reg {
    const known = this.#registers.get(value);
    if (known !== undefined) return known;
    const reg = this.#nextRegister++;
    this.#registers.set(value, reg);
    return reg;
  }

  /** A register that holds a value; it must not be changed. */
  #register(value: IrValue): Reg {
    if (value.op === 'param' || !isLeaf(value)) return this.#resultOf(value);
    const ready = this.#ready.get(value);
    if (ready !== undefined) return ready;
    const reg = this.#nextRegister++;
    this.#copy(reg, value);
    this.#ready.set(value, reg);
    return reg;
  }

  /** Brings a value into a register that may be changed. */
  #copy(dst: Reg, value: IrValue): void {
    if (value.op === 'param' || !isLeaf(value)) {
      this.#out.push(this.#make.move(dst, this.#resultOf(value)));
      return;
    }
    const ready = this.#ready.get(value);
    if (ready === undefined || (value.op === 'const' && immediate64(value) !== undefined)) {
      this.#out.push(...materialise(value, dst, this.#make, (slot) => this.#frame.offsetOf(slot)));
    } else {
      this.#out.push(this.#make.move(dst, ready));
    }
  }

  #immediate(value: IrValue, width: 32 | 64): number | undefined {
    if (value.op !== 'const') return undefined;
    return width === 64 ? immediate64(value) : immediate32(value);
  }

  #operand(value: IrValue, width: 32 | 64): Operand {
    const immediate = this.#immediate(value, width);
    return immediate === undefined ? { reg: this.#register(value) } : { immediate };
  }

  /** A base and an offset that an access can have. */
  #address(base: IrValue, offset: number): [Reg, number] {
    if (base.op === 'stack_address') return [FRAME, this.#frame.offsetOf(base.slot) + offset];
    if (offset >= -0x8000 && offset <= 0x7fff) return [this.#register(base), offset];
    const reg = this.#nextRegister++;
    this.#copy(reg, base);
    this.#out.push(this.#make.alu('add', 64, reg, { immediate: offset }));
    return [reg, 0];
  }
}

/** A byte or a half word as a store of an immediate is best read. */
function narrow(type: string, immediate: number): number {
  return type === 'u8' ? immediate & 0xff : immediate & 0xffff;
}
