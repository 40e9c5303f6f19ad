import { helperById } from '../helpers/index.ts';
import {
  instructionFromFields,
  type Atomic,
  type Call,
  type CallKfunc,
  type Instruction,
  type Raw,
  type Target,
} from '../isa/index.ts';
import { imm64Number, imm64Text } from './imm64.ts';
import { opcodeOf } from './opcode-of.ts';
import { ALU_TEXT, HALF_TEXT, JUMP_TEXT, LOCK_TEXT, rawText, REGISTER_TEXT, signed } from './spelling.ts';

/** What the kernel's dialect leaves open. */
export interface KernelSpelling {
  /** Whether the opcode goes before, as `(b7) `. */
  readonly opcodes: boolean;
  /** Whether 64-bit immediates are numbers, whatever they stand for, as in the verifier's log. */
  readonly numbers: boolean;
  /** Whether fields that the kernel's printer does not look at are left out, so that some raw instructions look like known ones. */
  readonly exact: boolean;
  /** Names of what is called; nothing where there is none. */
  readonly callName: ((call: Call | CallKfunc | Raw) => string | undefined) | undefined;
}

/** Opcodes in parentheses. */
const PREFIX: readonly string[] = Array.from(
  { length: 256 },
  (_, opcode) => `(${opcode.toString(16).padStart(2, '0')}) `,
);

/**
 * Spells an instruction as `print_bpf_insn` in `kernel/bpf/disasm.c` does. What that function does not tell apart, or cannot meet in a
 * program that the kernel has taken, has a spelling of our own: `callx`, `goto_or_nop`, modules of kernel functions, raw fields.
 *
 * @param target - spells where a jump goes, `+3` or a label.
 */
export function kernelText(
  i: Instruction<Target>,
  spelling: KernelSpelling,
  target: (target: Target) => string,
): string {
  const text = statement(i, spelling, target);
  return spelling.opcodes && text !== undefined ? (PREFIX[opcodeOf(i)] ?? '') + text : text;
}

function statement(i: Instruction<Target>, spelling: KernelSpelling, target: (target: Target) => string): string {
  switch (i.kind) {
    case 'alu': {
      const name = i.width === 64 ? REGISTER_TEXT : HALF_TEXT;
      return `${name[i.dst]} ${ALU_TEXT[i.op]} ${typeof i.src === 'number' ? i.src : name[i.src]}`;
    }
    case 'neg': {
      const name = (i.width === 64 ? REGISTER_TEXT : HALF_TEXT)[i.dst];
      return `${name} = -${name}`;
    }
    case 'movsx': {
      const name = i.width === 64 ? REGISTER_TEXT : HALF_TEXT;
      return `${name[i.dst]} = (s${i.bits})${name[i.src]}`;
    }
    case 'end':
      return `${i.dst} = ${i.op}${i.bits} ${i.dst}`;
    case 'addr_space_cast':
      return `${i.dst} = addr_space_cast(${i.src}, ${i.dstSpace}, ${i.srcSpace})`;
    case 'mov_percpu':
      return `${i.dst} = &(void __percpu *)(${i.src})`;
    case 'nospec':
      return 'nospec';
    case 'ld_imm64':
      return `${i.dst} = ${spelling.numbers ? imm64Number(i.value) : imm64Text(i.value, target)}`;
    case 'load':
      return `${i.dst} = *(${i.type} *)(${i.src} ${signed(i.offset)})`;
    case 'store':
      return `*(${i.type} *)(${i.dst} ${signed(i.offset)}) = ${i.src}`;
    case 'atomic':
      return atomic(i);
    case 'load_acquire':
      return `${i.dst} = load_acquire((${i.type} *)(${i.src} ${signed(i.offset)}))`;
    case 'store_release':
      return `store_release((${i.type} *)(${i.dst} ${signed(i.offset)}), ${i.src})`;
    case 'ld_abs':
      return `r0 = *(${i.type} *)skb[${i.offset}]`;
    case 'ld_ind':
      return `r0 = *(${i.type} *)skb[${i.src} + ${i.offset}]`;
    case 'ja':
      return `goto ${pc(i.target, target)}`;
    case 'gotol':
    case 'may_goto':
    case 'goto_or_nop':
      return `${i.kind} ${pc(i.target, target)}`;
    case 'gotox':
    case 'callx':
      return `${i.kind} ${i.dst}`;
    case 'jump': {
      const name = i.width === 64 ? REGISTER_TEXT : HALF_TEXT;
      const src = typeof i.src === 'number' ? `0x${(i.src >>> 0).toString(16)}` : name[i.src];
      return `if ${name[i.dst]} ${JUMP_TEXT[i.op]} ${src} goto ${pc(i.target, target)}`;
    }
    case 'call':
      return `call ${spelling.callName?.(i) ?? helperName(i.helper)}#${i.helper}`;
    case 'call_local':
      return `call ${pc(i.target, target)}`;
    case 'call_kfunc':
      // The offset, which says in which module the function is, has no place in the kernel's spelling.
      return `call ${spelling.callName?.(i) ?? 'kernel-function'}${i.offset === 0 ? '' : `[${i.offset}]`}#${i.id}`;
    case 'exit':
      return 'exit';
    case 'raw':
      return raw(i, spelling, target);
  }
}

function raw(i: Raw, spelling: KernelSpelling, target: (target: Target) => string): string {
  if (isDumpedCall(i)) return `call pc${signed(i.offset)}#${spelling.callName?.(i) ?? `subprog[${i.imm}]`}`;
  const known = spelling.exact ? apparent(i) : i;
  return known.kind === 'raw' ? rawText(i) : statement(known, spelling, target);
}

/** The known instruction that a raw one looks like to a printer that does not look at unused fields, or the raw one. */
function apparent(i: Raw): Instruction {
  for (const zeros of [
    { imm: 0 },
    { offset: 0 },
    { imm: 0, offset: 0 },
    { src: 0 },
    { dst: 0, src: 0, imm: 0, offset: 0 },
  ]) {
    const known = instructionFromFields({ ...i, ...zeros });
    if (known.kind !== 'raw') return known;
  }
  return i;
}

/**
 * A local call in a program that the kernel has compiled: the offset field has the distance, the immediate the number of the function
 * (`jit_subprogs` in `kernel/bpf/verifier.c`). bpftool prints its symbol, which only the kernel knows, after the `#`.
 */
function isDumpedCall({ opcode, dst, src }: Raw): boolean {
  return opcode === 0x85 && dst === 0 && src === 1;
}

function helperName(id: number): string {
  const helper = helperById(id);
  // The kernel's list of names begins with number 0.
  return helper === undefined ? (id === 0 ? 'bpf_unspec' : 'unknown') : `bpf_${helper.name}`;
}

function atomic({ op, width, dst, src, offset }: Atomic): string {
  const memory = `*)(${dst} ${signed(offset)})`;
  switch (op) {
    case 'add':
    case 'or':
    case 'and':
    case 'xor':
      return `lock *(u${width} ${memory} ${LOCK_TEXT[op]} ${src}`;
    case 'cmpxchg':
      return `r0 = atomic${width === 64 ? '64' : ''}_cmpxchg((u${width} ${memory}, r0, ${src})`;
    default:
      return `${src} = atomic${width === 64 ? '64' : ''}_${op}((u${width} ${memory}, ${src})`;
  }
}

/** A number of slots or a label. */
function pc(to: Target, target: (target: Target) => string): string {
  const text = target(to);
  return typeof to === 'number' && (text.startsWith('+') || text.startsWith('-')) ? `pc${text}` : text;
}
