import { BpfAsmError } from '../error.ts';
import { checkInstructions } from '../isa/check.ts';
import { withTarget } from '../asm/index.ts';
import {
  encode,
  slotsOf,
  type Call,
  type CallKfunc,
  type Instruction,
  type Raw,
  type SourcePosition,
  type Target,
} from '../isa/index.ts';
import { conformanceText } from './conformance-print.ts';
import { kernelText, type KernelSpelling } from './kernel-print.ts';
import { labelsOf } from './labels.ts';
import { nameText, signed } from './spelling.ts';

/**
 * How programs are spelt. `kernel` is what `bpftool prog dump xlated` and the verifier's log print (`kernel/bpf/disasm.c`): `r0 = 5`.
 * `conformance` is the assembly of the BPF conformance suite: `mov %r0, 5`.
 */
export type Dialect = 'kernel' | 'conformance';

/** Options of {@link print}. */
export interface PrintOptions {
  /** `kernel` where nothing is said. */
  readonly dialect?: Dialect;
  /** Names the targets of jumps, each on a line of its own, instead of counting slots; off where nothing is said. */
  readonly labels?: boolean;
  /** Shows the author's source where it changes, as bpftool does with `linum`; off where nothing is said. */
  readonly sources?: boolean;
  /**
   * Whose listing it is, in the kernel's dialect. `lossless`, where nothing is said: each instruction has a spelling of its own, which is
   * bpftool's for all that a program may hold. `bpftool`: byte for byte, so that fields which the kernel's printer does not look at do not
   * show (it dumps moves and exits with such fields). `verifier`: so too, and 64-bit immediates are numbers, as maps are addresses there.
   */
  readonly style?: 'lossless' | 'bpftool' | 'verifier';
  /** The slot's number before each instruction; where nothing is said, on in the kernel's dialect and off in the other. */
  readonly numbers?: boolean;
  /** The opcode in parentheses before each instruction of the kernel's dialect; on where nothing is said. */
  readonly opcodes?: boolean;
  /**
   * Names of called functions in the kernel's dialect, where the number alone does not say: kernel functions, addresses of helpers in a
   * dump (relative to `__bpf_call_base`), and local calls in a dump, which are raw (the immediate is the number of the function).
   */
  readonly callName?: (call: Call | CallKfunc | Raw) => string | undefined;
}

/**
 * Prints a program, one instruction a line. Shows fields as they are, in range or not: encoding is what checks them.
 *
 * @param instructions - linked or not: a label stands as its name.
 * @param options - the dialect and what the listing shows.
 * @returns lines that end with a newline each; `parse` gives back the instructions in the `lossless` style without `callName`.
 * @throws BpfAsmError `ERR_INVALID_INSTRUCTION` for what is no instruction.
 * @example
 * ```ts
 * print([{ kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 2 }, { kind: 'exit' }]);
 * //    0: (b7) r0 = 2
 * //    1: (95) exit
 * ```
 */
export function print(instructions: readonly Instruction<Target>[], options: PrintOptions = {}): string {
  const { labels: named = false, sources = false, numbers = options.dialect !== 'conformance' } = options;
  const pad = options.style !== 'verifier';
  checkInstructions(instructions);
  // This dialect has the fields' own names: any text would pass for one.
  if (options.dialect === 'conformance') encode(instructions.map(withoutNames));
  const labels = named ? labelsOf(instructions) : undefined;
  const speller = new Speller(options, labels);
  let text = '';
  let slot = 0;
  let before: SourcePosition | undefined;
  for (let index = 0; index < instructions.length; index++) {
    const i = instructions[index] as Instruction<Target>;
    const label = labels?.get(slot);
    if (label !== undefined) text += `${label}:\n`;
    if (sources && i.source !== undefined && !sameLine(i.source, before)) text += sourceLine(i.source);
    before = i.source;
    if (numbers) text += pad ? slotNumber(slot) : `${slot}: `;
    text += `${speller.instruction(i, slot, index)}\n`;
    slot += slotsOf(i);
  }
  const end = labels?.get(slot);
  return end === undefined ? text : `${text}${end}:\n`;
}

/**
 * Prints one instruction, without its slot's number and without a newline.
 *
 * @param instruction - linked or not.
 * @param options - as of {@link print}; labels, numbers and sources have no meaning here.
 * @throws BpfAsmError `ERR_INVALID_INSTRUCTION` for what is no instruction.
 */
export function printInstruction(instruction: Instruction<Target>, options: PrintOptions = {}): string {
  return new Speller(options, undefined).instruction(instruction, 0, 0);
}

/** Spells instructions as the options say. */
class Speller {
  readonly #kernel: KernelSpelling | undefined;
  readonly #labels: ReadonlyMap<number, string> | undefined;
  #slot = 0;

  constructor(
    { dialect, style, opcodes = true, callName }: PrintOptions,
    labels: ReadonlyMap<number, string> | undefined,
  ) {
    this.#kernel =
      dialect === 'conformance'
        ? undefined
        : { opcodes, numbers: style === 'verifier', exact: style === 'bpftool' || style === 'verifier', callName };
    this.#labels = labels;
  }

  instruction(i: Instruction<Target>, slot: number, index: number): string {
    this.#slot = slot;
    let text: string | undefined;
    try {
      text = this.#kernel === undefined ? conformanceText(i, this.#target) : kernelText(i, this.#kernel, this.#target);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new BpfAsmError('ERR_INVALID_INSTRUCTION', 'this is no instruction', { instruction: index, cause });
    }
    // Callers without types can pass a kind that no case knows.
    if (text === undefined)
      throw new BpfAsmError('ERR_INVALID_INSTRUCTION', `there is no instruction kind ${String(i.kind)}`, {
        instruction: index,
      });
    // A field without a spelling; or, rarely, a name that has the word in it.
    if (text.includes('undefined')) encode([withoutNames(i)]);
    return text;
  }

  readonly #target = (target: Target): string => {
    if (typeof target === 'string') return nameText(target);
    return this.#labels?.get(this.#slot + 1 + target) ?? signed(target);
  };
}

/** The instruction with its label and its map as numbers, so that encoding finds what is wrong with the rest. */
function withoutNames(i: Instruction<Target>): Instruction {
  const numeric = 'target' in i || i.kind === 'ld_imm64' ? withTarget(i, 0) : i;
  return numeric.kind === 'ld_imm64' && 'map' in numeric.value
    ? { ...numeric, value: { ...numeric.value, map: 0 } }
    : numeric;
}

/** As bpftool's `% 4d: `: four columns, of which the first is a space. */
function slotNumber(slot: number): string {
  return slot < 1000 ? `${String(slot).padStart(4)}: ` : ` ${slot}: `;
}

function sameLine(a: SourcePosition, b: SourcePosition | undefined): boolean {
  return b !== undefined && a.line === b.line && a.file === b.file && a.column === b.column;
}

/** As bpftool's `btf_dump_linfo_plain` with line numbers. */
function sourceLine({ file, line, column, text }: SourcePosition): string {
  return `; ${oneLine(text ?? '')} [file:${oneLine(file)} line_num:${line} line_col:${column}]\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ');
}
