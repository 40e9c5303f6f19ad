import { BpfAsmError } from '../error.ts';
import { REGISTER_NUMBER, type Instruction, type Register, type Target } from '../isa/index.ts';

/** A set of registers as bits: bit n is register n. */
export type RegisterSet = number;

/** `r1` to `r5`, which a call uses up. */
export const CALLER_SAVED: RegisterSet = 0b11_1110;

/** The set of these registers. @throws BpfAsmError `ERR_INVALID_INSTRUCTION` for a name that is no register. */
export function registerSet(...registers: readonly Register[]): RegisterSet {
  let set = 0;
  for (const register of registers) {
    const number = REGISTER_NUMBER[register];
    if (typeof number !== 'number') {
      throw new BpfAsmError('ERR_INVALID_INSTRUCTION', `${JSON.stringify(register)} is not a register (r0 to r11)`);
    }
    set |= 1 << number;
  }
  return set;
}

/** Registers that an instruction needs set. Arguments of calls are not among them: how many there are, the callee knows. */
export function registersRead(i: Instruction<Target>): RegisterSet {
  switch (i.kind) {
    case 'alu': {
      const src = typeof i.src === 'number' ? 0 : registerSet(i.src);
      // r ^= r and r -= r set a register whatever it held, but the verifier wants it set all the same.
      return i.op === 'mov' ? src : src | registerSet(i.dst);
    }
    case 'neg':
    case 'end':
    case 'gotox':
    case 'callx':
      return registerSet(i.dst);
    case 'movsx':
    case 'addr_space_cast':
    case 'mov_percpu':
    case 'load':
    case 'load_acquire':
      return registerSet(i.src);
    case 'store':
    case 'jump':
      return registerSet(i.dst) | (typeof i.src === 'number' ? 0 : registerSet(i.src));
    case 'store_release':
      return registerSet(i.dst, i.src);
    case 'atomic':
      return registerSet(i.dst, i.src) | (i.op === 'cmpxchg' ? registerSet('r0') : 0);
    case 'ld_abs':
      return registerSet('r6');
    case 'ld_ind':
      return registerSet('r6', i.src);
    case 'exit':
      return registerSet('r0');
    case 'nospec':
    case 'ld_imm64':
    case 'ja':
    case 'gotol':
    case 'may_goto':
    case 'goto_or_nop':
    case 'call':
    case 'call_local':
    case 'call_kfunc':
    case 'raw':
      return 0;
  }
}

/** Registers that an instruction gives a value. */
export function registersWritten(i: Instruction<Target>): RegisterSet {
  switch (i.kind) {
    case 'alu':
    case 'neg':
    case 'movsx':
    case 'end':
    case 'addr_space_cast':
    case 'mov_percpu':
    case 'ld_imm64':
    case 'load':
    case 'load_acquire':
      return registerSet(i.dst);
    case 'atomic':
      if (i.op === 'cmpxchg') return registerSet('r0');
      return i.op === 'xchg' || i.op.startsWith('fetch_') ? registerSet(i.src) : 0;
    case 'ld_abs':
    case 'ld_ind':
    case 'call':
    case 'call_local':
    case 'call_kfunc':
    case 'callx':
      return registerSet('r0');
    default:
      return 0;
  }
}

/** Registers whose value is lost: `r1` to `r5` at calls and legacy packet loads, which are calls inside the kernel. */
export function registersClobbered(i: Instruction<Target>): RegisterSet {
  return isCall(i) || i.kind === 'ld_abs' || i.kind === 'ld_ind' ? CALLER_SAVED : 0;
}

/** Tells whether an instruction calls a helper, a kernel function or a function of the program. */
export function isCall(i: Instruction<Target>): boolean {
  return i.kind === 'call' || i.kind === 'call_local' || i.kind === 'call_kfunc' || i.kind === 'callx';
}

/** Tells whether control may go on to the instruction that follows. */
export function fallsThrough(i: Instruction<Target>): boolean {
  return i.kind !== 'ja' && i.kind !== 'gotol' && i.kind !== 'gotox' && i.kind !== 'exit';
}

/** The target of a jump, within the function; undefined for what is none (calls and function pointers among them). */
export function jumpTarget<T extends Target>(i: Instruction<T>): T | undefined {
  switch (i.kind) {
    case 'ja':
    case 'gotol':
    case 'jump':
    case 'may_goto':
    case 'goto_or_nop':
      return i.target;
    default:
      return undefined;
  }
}

/** The function that a local call or a function pointer names. */
export function functionTarget<T extends Target>(i: Instruction<T>): T | undefined {
  if (i.kind === 'call_local') return i.target;
  return i.kind === 'ld_imm64' && i.value.type === 'func' ? i.value.target : undefined;
}

/** Where a jump, a local call or a function pointer goes; undefined for an instruction that names no place. */
export function targetOf<T extends Target>(i: Instruction<T>): T | undefined {
  return jumpTarget(i) ?? functionTarget(i);
}

/** The same instruction with its jump, call or function pointer going elsewhere; an instruction without a target as it is. */
export function withTarget<T extends Target>(i: Instruction<Target>, target: T): Instruction<T> {
  if (i.kind === 'ld_imm64') {
    return i.value.type === 'func' ? { ...i, value: { type: 'func', target } } : (i as Instruction<T>);
  }
  return 'target' in i ? { ...i, target } : i;
}
