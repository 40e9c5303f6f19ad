import type { Instruction } from '../isa/index.ts';
import { helperById } from '../helpers/index.ts';

/** Short words for an instruction, for traps. The listing of a program is printed by the package's text part. */
export function describeInstruction(instruction: Instruction): string {
  switch (instruction.kind) {
    case 'load':
    case 'load_acquire': {
      const what = `*(${instruction.type} *)(${address(instruction.src, instruction.offset)})`;
      return instruction.kind === 'load'
        ? `${instruction.dst} = ${what}`
        : `${instruction.dst} = load_acquire(${what.slice(1)})`;
    }
    case 'store':
    case 'store_release':
      return `*(${instruction.type} *)(${address(instruction.dst, instruction.offset)}) = ${instruction.src}`;
    case 'atomic':
      return `atomic ${instruction.op} *(u${instruction.width} *)(${address(instruction.dst, instruction.offset)}), ${instruction.src}`;
    case 'call':
      return `call ${helperById(instruction.helper)?.name ?? instruction.helper}`;
    case 'call_local':
      return `call pc${signed(instruction.target)}`;
    case 'callx':
      return `callx ${instruction.dst}`;
    case 'gotox':
      return `gotox ${instruction.dst}`;
    case 'ld_abs':
      return `r0 = *(${instruction.type} *)skb[${instruction.offset}]`;
    case 'ld_ind':
      return `r0 = *(${instruction.type} *)skb[${address(instruction.src, instruction.offset)}]`;
    default:
      return instruction.kind;
  }
}

function address(register: string, offset: number): string {
  return `${register} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)}`;
}

function signed(value: number): string {
  return value < 0 ? `${value}` : `+${value}`;
}
