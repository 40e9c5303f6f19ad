import { BpfAsmError } from '../error.ts';
import { label, targetOf, type Item } from '../asm/index.ts';
import { helperByName } from '../helpers/index.ts';
import { slotsOf, type Instruction, type Target } from '../isa/index.ts';
import { parseConformance } from './conformance-parse.ts';
import { parseKernel } from './kernel-parse.ts';
import { opcodeOf } from './opcode-of.ts';
import type { Dialect } from './print.ts';
import { Scanner } from './scanner.ts';

/** Options of {@link parse} and {@link parseItems}. */
export interface ParseOptions {
  /** `kernel` where nothing is said. */
  readonly dialect?: Dialect;
  /** Name of the file that the text is: if given, each instruction carries its place in it as `source`. */
  readonly file?: string;
}

/**
 * Reads a program and resolves its labels, without moving or refusing anything: what is written is what comes out.
 *
 * The kernel's dialect is read as {@link print}, bpftool and the verifier's log write it, with or without slot numbers and opcodes; with
 * labels; helpers by name (`call bpf_map_lookup_elem`) and maps by name (`r1 = map[counters]`). `r0 = 5` is a move, `r0 = 0x5` and
 * `r0 = 5 ll` are 64-bit immediates. Comments begin with `;`, `#` or `//`.
 *
 * @param text - lines of one instruction each.
 * @param options - the dialect, and the file's name.
 * @throws BpfAsmError `ERR_SYNTAX`, `ERR_OUT_OF_RANGE`, `ERR_DUPLICATE_LABEL` or `ERR_MISSING_LABEL`, with line and column.
 * @example
 * ```ts
 * parse('if r1 == 0x0 goto out\nr0 = 1\nexit\nout:\nr0 = 0\nexit');
 * ```
 */
export function parse(text: string, options: ParseOptions = {}): Instruction[] {
  return new Parser(text, options).linked();
}

/**
 * Reads a program and keeps its labels: `link` resolves them, relaxes jumps that are too far, and finds the functions.
 *
 * @param text - lines of one instruction each, as of {@link parse}.
 * @param options - the dialect, and the file's name.
 * @throws BpfAsmError as {@link parse}, but labels that are absent or twice there are left to `link`.
 */
export function parseItems(text: string, options: ParseOptions = {}): Item[] {
  return new Parser(text, options).items();
}

const QUOTE = 34;
const LEFT = 40;

/** Opcodes by how they stand before instructions. */
const OPCODES: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 256 }, (_, opcode) => [`(${opcode.toString(16).padStart(2, '0')})`, opcode]),
);

/** Where a label stands, or a use of one. */
interface Place {
  readonly name: string;
  readonly line: number;
  readonly column: number;
  /** Index of the instruction that names it, or that follows it. */
  readonly index: number;
}

class Parser {
  readonly #scanner: Scanner;
  readonly #conformance: boolean;
  readonly #file: string | undefined;
  readonly #instructions: Instruction<Target>[] = [];
  readonly #labels: Place[] = [];
  readonly #uses: Place[] = [];

  constructor(text: string, { dialect = 'kernel', file }: ParseOptions) {
    if (typeof text !== 'string')
      throw new BpfAsmError('ERR_INVALID_ARGUMENT', 'the text is not a string', { field: 'text' });
    if (dialect !== 'kernel' && dialect !== 'conformance') {
      throw new BpfAsmError('ERR_INVALID_ARGUMENT', `there is no dialect ${String(dialect)}`, {
        field: 'dialect',
        hint: 'kernel or conformance',
      });
    }
    this.#scanner = new Scanner(text);
    this.#conformance = dialect === 'conformance';
    this.#file = file;
    do this.#line();
    while (this.#scanner.nextLine());
    if (this.#conformance) this.#nameExit();
  }

  items(): Item[] {
    const items: Item[] = [];
    let next = 0;
    for (let index = 0; index <= this.#instructions.length; index++) {
      for (let place = this.#labels[next]; place?.index === index; place = this.#labels[++next])
        items.push(label(place.name));
      const instruction = this.#instructions[index];
      if (instruction !== undefined) items.push(instruction);
    }
    return items;
  }

  linked(): Instruction[] {
    const instructions = this.#instructions;
    if (this.#uses.length === 0 && this.#labels.length === 0) return instructions as Instruction[];
    const slots = new Int32Array(instructions.length + 1);
    for (let i = 0; i < instructions.length; i++)
      slots[i + 1] = (slots[i] as number) + slotsOf(instructions[i] as Instruction<Target>);
    const indexes = new Map<string, number>();
    for (const { name, index, line, column } of this.#labels) {
      if (indexes.has(name))
        throw new BpfAsmError('ERR_DUPLICATE_LABEL', `there is a label "${name}" before`, {
          line,
          column,
          hint: 'give one of them another name',
        });
      indexes.set(name, index);
    }
    for (const { name, index, line, column } of this.#uses) {
      const to = indexes.get(name);
      if (to === undefined)
        throw new BpfAsmError('ERR_MISSING_LABEL', `there is no label "${name}"`, { line, column, instruction: index });
      const distance = (slots[to] as number) - (slots[index] as number) - 1;
      instructions[index] = this.#resolved(instructions[index] as Instruction<Target>, distance, line, column);
    }
    return instructions as Instruction[];
  }

  #resolved(i: Instruction<Target>, target: number, line: number, column: number): Instruction {
    if (i.kind === 'ld_imm64' && i.value.type === 'func') return { ...i, value: { type: 'func', target } };
    const far = i.kind === 'gotol' || i.kind === 'call_local';
    if (!far && (target << 16) >> 16 !== target) {
      throw new BpfAsmError('ERR_OUT_OF_RANGE', `the label is ${target} slots away, which 16 bits cannot say`, {
        line,
        column,
        hint: 'parseItems and link relax it',
      });
    }
    return { ...i, target } as Instruction;
  }

  #line(): void {
    const scanner = this.#scanner;
    this.#slotNumber();
    while (!scanner.lineEnds()) {
      const { at } = scanner;
      if (scanner.peek() === QUOTE) {
        const name = scanner.name('a label');
        scanner.expect(':');
        this.#label(name, at);
        continue;
      }
      const prefix = this.#conformance ? -1 : this.#opcode();
      scanner.spaces();
      const start = scanner.at;
      const word = scanner.word();
      if (prefix === -1 && word !== '' && scanner.accept(':')) {
        this.#label(word, at);
        continue;
      }
      if (!this.#instruction(word, start, prefix)) return;
      if (!scanner.lineEnds()) scanner.fail('the end of the line');
      return;
    }
  }

  /** Reads `  12: `, which listings have before each instruction. */
  #slotNumber(): void {
    const scanner = this.#scanner;
    const c = scanner.peek();
    if (!(c >= 48 && c <= 57)) return;
    scanner.integer(0, Number.MAX_SAFE_INTEGER);
    scanner.expect(':');
  }

  /** Reads `(b7) `, or gives -1. */
  #opcode(): number {
    const scanner = this.#scanner;
    if (scanner.peek() !== LEFT) return -1;
    const opcode = OPCODES.get(scanner.text.slice(scanner.at, scanner.at + 4).toLowerCase());
    if (opcode === undefined) return scanner.fail('an opcode of two hexadecimal digits in parentheses');
    scanner.at += 4;
    return opcode;
  }

  #label(name: string, at: number): void {
    const scanner = this.#scanner;
    if (name.startsWith('bpf_') && helperByName(name) !== undefined) {
      throw scanner.error('ERR_SYNTAX', `${name} is the name of a helper`, at, 'give the label another name');
    }
    this.#labels.push({ name, line: scanner.line, column: scanner.columnOf(at), index: this.#instructions.length });
  }

  /** Reads an instruction; false where the line is none and may be passed over. */
  #instruction(word: string, start: number, prefix: number): boolean {
    const scanner = this.#scanner;
    // Scanners know the line of where they are only, and no instruction goes beyond its line.
    const { line } = scanner;
    const read = this.#conformance ? parseConformance(scanner, word) : parseKernel(scanner, word);
    if (read === undefined) {
      if (prefix === -1 && !this.#conformance && this.#isRemark(word)) return false;
      return scanner.fail(this.#conformance ? 'a mnemonic' : 'an instruction', start);
    }
    if (prefix !== -1 && prefix !== opcodeOf(read)) {
      const opcode = opcodeOf(read).toString(16).padStart(2, '0');
      throw scanner.error(
        'ERR_SYNTAX',
        `the opcode ${prefix.toString(16).padStart(2, '0')} before it is not that of this instruction, ${opcode}`,
        start,
        'correct it or leave it out',
      );
    }
    const column = scanner.columnOf(start);
    const target = targetOf(read);
    if (typeof target === 'string') this.#uses.push({ name: target, line, column, index: this.#instructions.length });
    this.#instructions.push(this.#file === undefined ? read : { ...read, source: { file: this.#file, line, column } });
    return true;
  }

  /** A line of a listing that is no instruction: registers of the verifier (`R1=ctx() R10=fp0`), or a function's prototype (`int f():`). */
  #isRemark(word: string): boolean {
    if (/^R\d+(_\w+)?$/.test(word)) return true;
    const { text, at } = this.#scanner;
    const end = text.indexOf('\n', at);
    return word !== '' && text.slice(end === -1 ? text.length - 2 : end - 2, end === -1 ? text.length : end) === '):';
  }

  /** The suite's assembler has the label `exit` at the first exit, if the text has none. */
  #nameExit(): void {
    const used = this.#uses.some(({ name }) => name === 'exit');
    if (!used || this.#labels.some(({ name }) => name === 'exit')) return;
    const index = this.#instructions.findIndex(({ kind }) => kind === 'exit');
    if (index === -1) return;
    const after = this.#labels.findIndex((place) => place.index > index);
    this.#labels.splice(after === -1 ? this.#labels.length : after, 0, { name: 'exit', line: 0, column: 0, index });
  }
}
