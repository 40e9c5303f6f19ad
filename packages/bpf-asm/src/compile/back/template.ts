import type { AluOp, AtomicOp, Imm64, Instruction, LoadType, StoreType, Width } from '../../isa/index.ts';
import type { SourcePosition } from '../../source.ts';
import { machine, NO_REGISTER, type MachineInstruction, type Reg } from './machine.ts';

/** An operand: a register, or an immediate. */
export type Operand = { readonly reg: Reg } | { readonly immediate: number };

/** Makes machine instructions that carry a source position. */
export class Templates {
  readonly #source: { readonly source?: SourcePosition };

  constructor(source: SourcePosition | undefined) {
    this.#source = source === undefined ? {} : { source };
  }

  alu(op: AluOp, width: Width, dst: Reg, operand: Operand): MachineInstruction {
    const [src, reg] = 'reg' in operand ? (['r0', operand.reg] as const) : [operand.immediate, NO_REGISTER];
    return machine({ kind: 'alu', op, width, dst: 'r0', src, ...this.#source }, dst, reg);
  }

  move(dst: Reg, src: Reg): MachineInstruction {
    return this.alu('mov', 64, dst, { reg: src });
  }

  neg(width: Width, dst: Reg): MachineInstruction {
    return machine({ kind: 'neg', width, dst: 'r0', ...this.#source }, dst);
  }

  movsx(bits: 8 | 16 | 32, dst: Reg, src: Reg): MachineInstruction {
    return machine({ kind: 'movsx', width: 64, bits, dst: 'r0', src: 'r0', ...this.#source }, dst, src);
  }

  bigEndian(bits: 16 | 32 | 64, dst: Reg): MachineInstruction {
    return machine({ kind: 'end', op: 'be', bits, dst: 'r0', ...this.#source }, dst);
  }

  wide(dst: Reg, value: Imm64<string>): MachineInstruction {
    return machine({ kind: 'ld_imm64', dst: 'r0', value, ...this.#source }, dst);
  }

  load(type: LoadType, dst: Reg, base: Reg, offset: number): MachineInstruction {
    return machine({ kind: 'load', type, dst: 'r0', src: 'r0', offset, ...this.#source }, dst, base);
  }

  store(type: StoreType, base: Reg, offset: number, operand: Operand): MachineInstruction {
    const [src, reg] = 'reg' in operand ? (['r0', operand.reg] as const) : [operand.immediate, NO_REGISTER];
    return machine({ kind: 'store', type, dst: 'r0', offset, src, ...this.#source }, base, reg);
  }

  atomic(op: AtomicOp, width: Width, base: Reg, offset: number, src: Reg): MachineInstruction {
    return machine({ kind: 'atomic', op, width, dst: 'r0', offset, src: 'r0', ...this.#source }, base, src);
  }

  call(instruction: Instruction<string>, args: number): MachineInstruction {
    return machine({ ...instruction, ...this.#source }, NO_REGISTER, NO_REGISTER, args);
  }
}
