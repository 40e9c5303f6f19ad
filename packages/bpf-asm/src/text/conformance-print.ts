import type { Instruction, Target } from '../isa/index.ts';
import { imm64Text } from './imm64.ts';
import { ATOMIC_TEXT, rawText, SIZE_TEXT } from './spelling.ts';

/**
 * Spells an instruction in the assembly of the BPF conformance suite. What it has no word for is spelt in its manner: `ldabsw`, `ldindw`,
 * `ldacqdw`, `streldw`, `gotox`, `may_goto`, `goto_or_nop`, `addr_space_cast`, `mov_percpu`, `nospec`; 64-bit immediates that are no
 * numbers as in the kernel's dialect.
 *
 * @param target - spells where a jump goes, `+3` or a label.
 */
export function conformanceText(i: Instruction<Target>, target: (target: Target) => string): string {
  switch (i.kind) {
    case 'alu':
      return `${i.op}${i.width === 64 ? '' : '32'} %${i.dst}, ${operand(i.src)}`;
    case 'neg':
      return `neg${i.width === 64 ? '' : '32'} %${i.dst}`;
    case 'movsx':
      return `movsx${i.bits}${i.width} %${i.dst}, %${i.src}`;
    case 'end':
      return `${i.op === 'bswap' ? 'swap' : i.op}${i.bits} %${i.dst}`;
    case 'addr_space_cast':
      return `addr_space_cast %${i.dst}, %${i.src}, ${i.dstSpace}, ${i.srcSpace}`;
    case 'mov_percpu':
      return `mov_percpu %${i.dst}, %${i.src}`;
    case 'nospec':
    case 'exit':
      return i.kind;
    case 'ld_imm64':
      return `lddw %${i.dst}, ${imm64Text(i.value, target)}`;
    case 'load':
      return `ldx${SIZE_TEXT[i.type]} %${i.dst}, ${memory(i.src, i.offset)}`;
    case 'store':
      return `st${typeof i.src === 'number' ? '' : 'x'}${SIZE_TEXT[i.type]} ${memory(i.dst, i.offset)}, ${operand(i.src)}`;
    case 'atomic':
      return `lock ${ATOMIC_TEXT[i.op]}${i.width === 64 ? '' : '32'} ${memory(i.dst, i.offset)}, %${i.src}`;
    case 'load_acquire':
      return `ldacq${SIZE_TEXT[i.type]} %${i.dst}, ${memory(i.src, i.offset)}`;
    case 'store_release':
      return `strel${SIZE_TEXT[i.type]} ${memory(i.dst, i.offset)}, %${i.src}`;
    case 'ld_abs':
      return `ldabs${SIZE_TEXT[i.type]} ${i.offset}`;
    case 'ld_ind':
      return `ldind${SIZE_TEXT[i.type]} %${i.src}, ${i.offset}`;
    case 'ja':
      return `ja ${target(i.target)}`;
    case 'gotol':
      return `ja32 ${target(i.target)}`;
    case 'gotox':
      return `gotox %${i.dst}`;
    case 'jump':
      return `${i.op}${i.width === 64 ? '' : '32'} %${i.dst}, ${operand(i.src)}, ${target(i.target)}`;
    case 'may_goto':
    case 'goto_or_nop':
      return `${i.kind} ${target(i.target)}`;
    case 'call':
      return `call helper ${i.helper}`;
    case 'call_local':
      return `call local ${target(i.target)}`;
    case 'call_kfunc':
      return `call runtime${i.offset === 0 ? '' : `[${i.offset}]`} ${i.id}`;
    case 'callx':
      return `call %${i.dst}`;
    case 'raw':
      return rawText(i);
  }
}

function operand(src: string | number): string {
  return typeof src === 'number' ? String(src) : `%${src}`;
}

function memory(base: string, offset: number): string {
  return offset === 0 ? `[%${base}]` : `[%${base}${offset < 0 ? '' : '+'}${offset}]`;
}
