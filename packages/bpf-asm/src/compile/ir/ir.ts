/**
 * The compiler's own form of a program: single static assignment over a control-flow graph of basic blocks.
 *
 * A value is the content of a 64-bit register. Nodes are objects; an operand is a reference to the node that makes it. Nodes with an effect
 * or an order (results and statements) stand in a block; leaves (constants, parameters, addresses) stand nowhere and are available
 * everywhere, the back end puts them where they are used. Nodes are made by the builder, which numbers them; passes change them in place.
 */
import type { AluOp, AtomicOp, EndOp, JumpOp, LoadType, StoreType, Width } from '../../isa/index.ts';
import type { SourcePosition } from '../../source.ts';

/** What memory an access is to. Accesses of different classes never meet, so that a store to one does not end what is known of another. */
export type MemoryClass = 'context' | 'packet' | 'stack' | 'map' | 'other';

interface IrNode {
  /** Unique in its function, in the order of making. */
  readonly id: number;
  /** The place in the author's source that asked for it. */
  source?: SourcePosition | undefined;
}

/** A number: a 64-bit pattern, 0 to 2^64 - 1. */
export interface IrConst extends IrNode {
  readonly op: 'const';
  readonly value: bigint;
}

/** An argument of the function; the first of a program is its context. */
export interface IrParam extends IrNode {
  readonly op: 'param';
  readonly index: number;
}

/** Room on the stack. Its bytes hold nothing until they are stored. */
export interface IrStackSlot {
  readonly id: number;
  /** Bytes. */
  readonly size: number;
  /** Alignment in bytes: 1, 2, 4 or 8. */
  readonly align: number;
  /** What it holds, for the message when the stack is full. */
  readonly name: string;
}

/** Address of the first byte of a slot of the stack. */
export interface IrStackAddress extends IrNode {
  readonly op: 'stack_address';
  readonly slot: IrStackSlot;
}

/** Address of a map, which helpers take. */
export interface IrMap extends IrNode {
  readonly op: 'map';
  readonly name: string;
}

/** Address of a byte of the value of an array map of one element (Linux 5.2). */
export interface IrMapValue extends IrNode {
  readonly op: 'map_value';
  readonly name: string;
  readonly offset: number;
}

/** Address of a function of the unit, for callbacks (Linux 5.13). */
export interface IrFunctionAddress extends IrNode {
  readonly op: 'function_address';
  readonly name: string;
}

/** Values that stand in no block. There is one node of each content in a function. */
export type IrLeaf = IrConst | IrParam | IrStackAddress | IrMap | IrMapValue | IrFunctionAddress;

/** Arithmetic with two operands. */
export type IrAluOp = Exclude<AluOp, 'mov'>;

/** `a op b`. An operation on 32 bits takes the lower halves and leaves the upper half of the result zero. Shift counts are taken modulo the width. */
export interface IrAlu extends IrNode {
  readonly op: 'alu';
  alu: IrAluOp;
  width: Width;
  a: IrValue;
  b: IrValue;
}

/** `-a`. */
export interface IrNeg extends IrNode {
  readonly op: 'neg';
  width: Width;
  a: IrValue;
}

/** The low bits of `a`, sign-extended (`sext`) or zero-extended (`zext`) to 64. */
export interface IrExtend extends IrNode {
  readonly op: 'sext' | 'zext';
  bits: 8 | 16 | 32;
  a: IrValue;
}

/** The low bits of `a` with their bytes in the other order (`be`, `bswap`) or as they are (`le`), the rest zero: the machine is little-endian. */
export interface IrSwap extends IrNode {
  readonly op: 'swap';
  swap: EndOp;
  bits: 16 | 32 | 64;
  a: IrValue;
}

/** What is at `base + offset`. Types with an `s` are sign-extended, the others zero-extended. */
export interface IrLoad extends IrNode {
  readonly op: 'load';
  type: LoadType;
  base: IrValue;
  offset: number;
  memory: MemoryClass;
  /** It is read each time, in its place, even if nothing seems to change it. */
  volatile: boolean;
}

/** Puts the low bits of `value` to `base + offset`. */
export interface IrStore extends IrNode {
  readonly op: 'store';
  type: StoreType;
  base: IrValue;
  offset: number;
  value: IrValue;
  memory: MemoryClass;
}

/** Changes what is at `base + offset` in one step. The result of those that fetch is the old value. */
export interface IrAtomic extends IrNode {
  readonly op: 'atomic';
  atomic: AtomicOp;
  width: Width;
  base: IrValue;
  offset: number;
  value: IrValue;
  /** What `cmpxchg` compares with. */
  expected: IrValue | undefined;
  memory: MemoryClass;
}

/** What is called: a helper by number, a function of the unit by name, a kernel function by BTF id. */
export type IrCallee =
  | { readonly kind: 'helper'; readonly id: number }
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'kfunc'; readonly id: number; readonly offset: number };

/** What a call does besides giving a result. */
export interface IrEffects {
  /** Classes of memory that it may write. One that invalidates packet pointers writes `packet` and `context`, where these pointers are. */
  readonly writes: readonly MemoryClass[];
  /** The call may be left out when nobody looks at the result. */
  readonly removable: boolean;
}

/** A call with at most five arguments. */
export interface IrCall extends IrNode {
  readonly op: 'call';
  readonly callee: IrCallee;
  args: IrValue[];
  readonly effects: IrEffects;
}

/** One of several values, by the block that control came from. Stands at the head of a block. */
export interface IrPhi extends IrNode {
  readonly op: 'phi';
  /** One for each predecessor. */
  inputs: { block: IrBlock; value: IrValue }[];
}

/** What stands in a block, in order, and has a result or an effect. */
export type IrInstruction = IrAlu | IrNeg | IrExtend | IrSwap | IrLoad | IrStore | IrAtomic | IrCall;

/** What an operand can be. (A store or an atomic operation that does not fetch has no result to refer to.) */
export type IrValue = IrLeaf | IrInstruction | IrPhi;

/** Goes on with another block. */
export interface IrJump {
  readonly op: 'jump';
  to: IrBlock;
  source?: SourcePosition | undefined;
}

/** Compares, signed where the name has an `s`, and goes on with one of two different blocks. */
export interface IrBranch {
  readonly op: 'branch';
  compare: JumpOp;
  width: Width;
  a: IrValue;
  b: IrValue;
  yes: IrBlock;
  no: IrBlock;
  /** The side that is rarely taken: a failure, which is put out of the way. */
  unlikely: 'yes' | 'no' | undefined;
  source?: SourcePosition | undefined;
}

/** Ends the function. */
export interface IrReturn {
  readonly op: 'return';
  value: IrValue;
  source?: SourcePosition | undefined;
}

/** How a block ends. */
export type IrTerminator = IrJump | IrBranch | IrReturn;

/** A basic block: control enters at the head and leaves at the end. */
export interface IrBlock {
  readonly id: number;
  phis: IrPhi[];
  instructions: IrInstruction[];
  terminator: IrTerminator;
}

/** What a compilation is of: functions, of which the first is the program and the others are called, or are callbacks. */
export interface IrUnit {
  readonly functions: readonly IrFunction[];
}

/** A function: its blocks, and the source of numbers and leaves for nodes that are added. */
export class IrFunction {
  readonly name: string;
  /** How many parameters it has, 0 to 5. */
  readonly parameters: number;
  /** The entry first. */
  blocks: IrBlock[] = [];
  #nextId = 0;
  readonly #leaves = new Map<string, IrLeaf>();

  constructor(name: string, parameters: number) {
    this.name = name;
    this.parameters = parameters;
  }

  /** A number that no node of this function has. */
  newId(): number {
    return this.#nextId++;
  }

  /** Makes numbers begin at `id` at least. */
  skipIds(id: number): void {
    this.#nextId = Math.max(this.#nextId, id);
  }

  /** The constant with this value, taken modulo 2^64. */
  constant(value: bigint | number): IrConst {
    const pattern = BigInt.asUintN(64, BigInt(value));
    return this.#leaf(`const ${pattern}`, (id) => ({ op: 'const', id, value: pattern })) as IrConst;
  }

  /** The parameter with this index. */
  param(index: number): IrParam {
    return this.#leaf(`param ${index}`, (id) => ({ op: 'param', id, index })) as IrParam;
  }

  /** New room on the stack. */
  stackSlot(size: number, align: number, name: string): IrStackSlot {
    return { id: this.newId(), size, align, name };
  }

  /** The address of a slot. */
  stackAddress(slot: IrStackSlot): IrStackAddress {
    return this.#leaf(`stack ${slot.id}`, (id) => ({ op: 'stack_address', id, slot })) as IrStackAddress;
  }

  /** The address of a map. */
  map(name: string): IrMap {
    return this.#leaf(`map ${name}`, (id) => ({ op: 'map', id, name })) as IrMap;
  }

  /** The address of a byte of an array map's only value. */
  mapValue(name: string, offset: number): IrMapValue {
    return this.#leaf(`map_value ${offset} ${name}`, (id) => ({ op: 'map_value', id, name, offset })) as IrMapValue;
  }

  /** The address of a function of the unit. */
  functionAddress(name: string): IrFunctionAddress {
    return this.#leaf(`function ${name}`, (id) => ({ op: 'function_address', id, name })) as IrFunctionAddress;
  }

  #leaf(key: string, make: (id: number) => IrLeaf): IrLeaf {
    const known = this.#leaves.get(key);
    if (known !== undefined) return known;
    const made = make(this.newId());
    this.#leaves.set(key, made);
    return made;
  }
}
