import { registersWritten } from '../../asm/index.ts';
import { REGISTERS, type Instruction, type JumpOp, type Register, type Width } from '../../isa/index.ts';
import type { SourcePosition } from '../../source.ts';

/**
 * A register of the machine (0 to 10), a virtual register (from {@link FIRST_VIRTUAL} on), or {@link NO_REGISTER}.
 */
export type Reg = number;

/** In the place of a register that an instruction does not have. */
export const NO_REGISTER: Reg = -1;

/** The frame pointer. It is never allocated. */
export const FRAME: Reg = 10;

/** The first number that is no register of the machine. */
export const FIRST_VIRTUAL: Reg = 11;

/** An instruction of the machine whose registers are numbers: those in `instruction` have no meaning until {@link finished}. */
export interface MachineInstruction {
  readonly instruction: Instruction<string>;
  dst: Reg;
  src: Reg;
  /** Of a call: how many arguments it reads from `r1` on. */
  readonly args: number;
}

/** How a block ends. */
export type MachineTerminator =
  | { readonly kind: 'jump'; to: MachineBlock; source: SourcePosition | undefined }
  | MachineBranch
  | { readonly kind: 'exit'; source: SourcePosition | undefined };

/** A conditional jump: `a` with `b`, or with `immediate` where `b` is no register. */
export interface MachineBranch {
  readonly kind: 'branch';
  op: JumpOp;
  width: Width;
  a: Reg;
  b: Reg;
  immediate: number;
  yes: MachineBlock;
  no: MachineBlock;
  unlikely: 'yes' | 'no' | undefined;
  source: SourcePosition | undefined;
}

/** A basic block of machine instructions. */
export interface MachineBlock {
  readonly id: number;
  instructions: MachineInstruction[];
  terminator: MachineTerminator;
}

/** A function while registers are given to it. */
export interface MachineFunction {
  readonly name: string;
  /** The entry first. */
  blocks: MachineBlock[];
  /** One more than the highest register in use. */
  registers: number;
  /** Bytes of the stack in use. */
  stack: number;
}

/** Puts an instruction with its registers as numbers together. */
export function machine(
  instruction: Instruction<string>,
  dst: Reg = NO_REGISTER,
  src: Reg = NO_REGISTER,
  args = 0,
): MachineInstruction {
  return { instruction, dst, src, args };
}

/** Tells whether an instruction copies a whole register. */
export function isMove({ instruction: i, src }: MachineInstruction): boolean {
  return i.kind === 'alu' && i.op === 'mov' && i.width === 64 && src !== NO_REGISTER;
}

/** The blocks that a terminator leads to. */
export function machineSuccessors(terminator: MachineTerminator): readonly MachineBlock[] {
  if (terminator.kind === 'jump') return [terminator.to];
  return terminator.kind === 'branch' ? [terminator.yes, terminator.no] : [];
}

/** Calls `visit` with each register that an instruction reads; the frame pointer is left out. */
export function eachUse(m: MachineInstruction, visit: (reg: Reg) => void): void {
  const { instruction: i, dst, src } = m;
  if (m.args > 0) for (let arg = 1; arg <= m.args; arg++) visit(arg);
  if (i.kind === 'atomic' && i.op === 'cmpxchg') visit(0);
  if (src >= 0 && src !== FRAME) visit(src);
  if (dst >= 0 && dst !== FRAME && readsDestination(i)) visit(dst);
}

/** Calls `visit` with each register that an instruction gives a value to, those that a call uses up among them. */
export function eachDefinition(m: MachineInstruction, visit: (reg: Reg) => void): void {
  const { instruction: i } = m;
  switch (i.kind) {
    case 'call':
    case 'call_local':
    case 'call_kfunc':
      for (let reg = 0; reg <= 5; reg++) visit(reg);
      return;
    case 'atomic':
      if (i.op === 'cmpxchg') visit(0);
      else if (writesSource(i)) visit(m.src);
      return;
    case 'store':
      return;
    default:
      if (m.dst >= 0) visit(m.dst);
  }
}

// The registers in the template stand for the fields: r1 for dst, r2 for src.
const TEMPLATE = { dst: 'r1', src: 'r2' } as const;

function readsDestination(i: Instruction<string>): boolean {
  switch (i.kind) {
    case 'alu':
      return i.op !== 'mov';
    case 'neg':
    case 'end':
    case 'store':
    case 'atomic':
      return true;
    default:
      return false;
  }
}

function writesSource(i: Instruction<string>): boolean {
  return (registersWritten({ ...i, ...TEMPLATE } as Instruction<string>) & 0b100) !== 0;
}

/** The instruction with the names of its registers. */
export function finished({ instruction, dst, src }: MachineInstruction): Instruction<string> {
  const fields: { dst?: Register; src?: Register } = {};
  if (dst !== NO_REGISTER) fields.dst = registerName(dst);
  if (src !== NO_REGISTER) fields.src = registerName(src);
  return { ...instruction, ...fields } as Instruction<string>;
}

/** The name of a register of the machine. */
export function registerName(reg: Reg): Register {
  return REGISTERS[reg] as Register;
}
