import type { CpuVersion } from '../../asm/index.ts';
import type { LoadType } from '../../isa/index.ts';
import { isSigned } from '../ir/compare.ts';
import type { IrAlu, IrAluOp, IrBlock, IrExtend, IrFunction, IrInstruction, IrLoad, IrValue } from '../ir/ir.ts';
import { replaceValues } from '../ir/operands.ts';

/**
 * Says with what the version of the instruction set has what it has not: signed division, sign-extending loads (v4), comparisons on 32 bits (v3). Swaps become
 * conversions to big endian, which every version has and which is the same on a little-endian machine. Shift counts beyond the width
 * and division by a constant zero, which the kernel refuses, become what they mean.
 */
export function legalise(fn: IrFunction, cpu: CpuVersion): void {
  new Legaliser(fn, cpu).run();
}

class Legaliser {
  readonly #fn: IrFunction;
  readonly #cpu: CpuVersion;
  readonly #replaced = new Map<IrValue, IrValue>();
  #out: IrInstruction[] = [];
  #source: IrInstruction['source'];

  constructor(fn: IrFunction, cpu: CpuVersion) {
    this.#fn = fn;
    this.#cpu = cpu;
  }

  run(): void {
    for (const block of this.#fn.blocks) {
      this.#out = [];
      for (const instruction of block.instructions) {
        this.#source = instruction.source;
        this.#instruction(instruction);
      }
      if (this.#cpu < 3) this.#narrowCompare(block);
      block.instructions = this.#out;
    }
    replaceValues(this.#fn, this.#replaced);
  }

  #instruction(i: IrInstruction): void {
    if (i.op === 'alu') {
      this.#alu(i);
      return;
    }
    if (i.op === 'swap' && i.swap === 'bswap') i.swap = 'be';
    if (i.op === 'load' && i.type.startsWith('s') && this.#cpu < 4) {
      const bits = Number(i.type.slice(1)) as IrExtend['bits'];
      const unsigned: IrLoad = { ...i, id: this.#fn.newId(), type: `u${bits}` as LoadType };
      this.#out.push(unsigned);
      this.#replaced.set(i, this.#extend('sext', bits, unsigned));
    } else {
      this.#out.push(i);
    }
  }

  #alu(i: IrAlu): void {
    const { alu, b, width } = i;
    if (b.op === 'const') {
      if (alu === 'lsh' || alu === 'rsh' || alu === 'arsh') i.b = this.#fn.constant(b.value & BigInt(width - 1));
      else if (isDivision(alu) && BigInt.asUintN(width, b.value) === 0n) {
        this.#replaced.set(i, this.#dividedByZero(i));
        return;
      }
    }
    if (this.#cpu < 4 && (alu === 'sdiv' || alu === 'smod')) this.#replaced.set(i, this.#signedDivision(i));
    else this.#out.push(i);
  }

  #dividedByZero(i: IrAlu): IrValue {
    if (i.alu === 'div' || i.alu === 'sdiv') return this.#fn.constant(0);
    return i.width === 64 ? i.a : this.#extend('zext', 32, i.a);
  }

  /** Divides the absolute values, and gives the result its sign. Without branches; right for 0 and for the least number too. */
  #signedDivision({ alu, width, a, b }: IrAlu): IrValue {
    const op = (name: IrAluOp, left: IrValue, right: IrValue): IrValue => this.#add(name, width, left, right);
    const signOf = (value: IrValue): IrValue => op('arsh', value, this.#fn.constant(width - 1));
    const signed = (value: IrValue, sign: IrValue): IrValue => op('sub', op('xor', value, sign), sign);
    const [signA, signB] = [signOf(a), signOf(b)];
    const unsigned = op(alu === 'sdiv' ? 'div' : 'mod', signed(a, signA), signed(b, signB));
    return signed(unsigned, alu === 'sdiv' ? op('xor', signA, signB) : signA);
  }

  #narrowCompare({ terminator }: IrBlock): void {
    if (terminator.op !== 'branch' || terminator.width === 64) return;
    this.#source = terminator.source;
    const op = isSigned(terminator.compare) ? 'sext' : 'zext';
    const extend = (value: IrValue): IrValue =>
      value.op === 'const'
        ? this.#fn.constant(op === 'sext' ? BigInt.asIntN(32, value.value) : BigInt.asUintN(32, value.value))
        : this.#extend(op, 32, value);
    terminator.a = extend(terminator.a);
    terminator.b = extend(terminator.b);
    terminator.width = 64;
  }

  #extend(op: 'sext' | 'zext', bits: IrExtend['bits'], a: IrValue): IrValue {
    const made: IrExtend = { op, id: this.#fn.newId(), source: this.#source, bits, a };
    this.#out.push(made);
    return made;
  }

  #add(alu: IrAluOp, width: 32 | 64, a: IrValue, b: IrValue): IrValue {
    const made: IrAlu = { op: 'alu', id: this.#fn.newId(), source: this.#source, alu, width, a, b };
    this.#out.push(made);
    return made;
  }
}

function isDivision(alu: IrAluOp): boolean {
  return alu === 'div' || alu === 'mod' || alu === 'sdiv' || alu === 'smod';
}
