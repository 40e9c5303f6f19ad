import { functionTarget, landing, slotMap, type SlotMap } from '../asm/index.ts';
import type { LineInfo } from '../btf/index.ts';
import { BpfAsmError } from '../error.ts';
import { decode, type Imm64, type Instruction, type SourcePosition } from '../isa/index.ts';
import { R_BPF, SHF, SHT, STT } from './format.ts';
import { malformed, type Elf, type ElfRelocation, type ElfSection, type ElfSymbol } from './read-elf.ts';
import type { ReadMaps } from './read-maps.ts';

/** A place in code. */
export interface CodePlace {
  /** Number of the section. */
  readonly section: number;
  readonly slot: number;
}

/** A section of code: its instructions, with maps named and sources attached. */
export interface CodeSection {
  readonly section: ElfSection;
  readonly instructions: readonly Instruction[];
  readonly slots: SlotMap;
  /** Where calls and function pointers lead, by the index of the instruction. */
  readonly calls: ReadonlyMap<number, CodePlace>;
  /** Its functions by the slot of their first instruction. */
  readonly functions: ReadonlyMap<number, CodeFunction>;
}

/** A function in a section of code. */
export interface CodeFunction {
  readonly name: string;
  readonly binding: number;
  /** Index of its first instruction in the section, and of the one after its last. */
  readonly from: number;
  readonly to: number;
}

/** Tells whether a section holds code. */
export function isCode({ type, flags, size }: ElfSection): boolean {
  return type === SHT.PROGBITS && (flags & SHF.EXECINSTR) !== 0 && size > 0;
}

/**
 * Reads a section of code and resolves its relocations: maps by name, calls by place.
 *
 * @throws BpfAsmError `ERR_ELF` when it makes no sense, `ERR_UNSUPPORTED` naming what a relocation asks for that is not known here.
 */
export function readCode(elf: Elf, section: ElfSection, maps: ReadMaps, lines: readonly LineInfo[]): CodeSection {
  const { name, bytes, offset, index } = section;
  if (bytes.length % 8 !== 0) throw malformed(`section ${name} is not whole slots of 8 bytes`, offset);
  const decoded = decode(bytes, { byteOrder: elf.byteOrder });
  const slots = slotMap(decoded);
  const instructions = withSources(decoded, slots, lines);
  const calls = new Map<number, CodePlace>();
  const resolver = new Resolver(elf, section, maps);
  const relocated = new Set<number>();
  for (const relocation of elf.relocations.get(index) ?? []) {
    const at = relocation.offset % 8 === 0 ? slots.indexOf[relocation.offset / 8] : undefined;
    if (at === undefined || at === -1 || relocated.has(at))
      throw malformed(
        `a relocation of ${name} is about byte ${relocation.offset}, where there is no instruction for it`,
        offset,
      );
    relocated.add(at);
    const resolved = resolver.resolve(instructions[at] as Instruction, relocation);
    if ('slot' in resolved) calls.set(at, resolved);
    else instructions[at] = resolved;
  }
  instructions.forEach((instruction, at) => {
    if (functionTarget(instruction) === undefined || relocated.has(at)) return;
    const to = landing(instructions, slots, at);
    if (typeof to !== 'number')
      throw malformed(`a call in ${name} leads nowhere`, offset + 8 * (slots.slotOf[at] as number));
    calls.set(at, { section: index, slot: slots.slotOf[to] as number });
  });
  return {
    section,
    instructions,
    slots,
    calls,
    functions: functionsOf(elf.symbolsOf.get(index) ?? [], section, slots),
  };
}

function functionsOf(
  symbols: readonly ElfSymbol[],
  { name, offset }: ElfSection,
  { indexOf }: SlotMap,
): Map<number, CodeFunction> {
  const functions = new Map<number, CodeFunction>();
  for (const symbol of symbols) {
    if (symbol.type !== STT.FUNC) continue;
    const from = indexOf[symbol.value / 8];
    const end = (symbol.value + symbol.size) / 8;
    const to = end === indexOf.length ? undefined : indexOf[end];
    if (from === undefined || from < 0 || symbol.size === 0 || (to === undefined ? end !== indexOf.length : to < 0))
      throw malformed(`function ${symbol.name} is not whole instructions of section ${name}`, offset);
    if (symbol.name === '') throw malformed(`a function of section ${name} has no name`, offset);
    // Of several names for one function the first is as good as another.
    const slot = symbol.value / 8;
    if (functions.has(slot)) continue;
    functions.set(slot, { name: symbol.name, binding: symbol.binding, from, to: to ?? countOf(indexOf) });
  }
  return functions;
}

/** How many instructions there are. */
function countOf(indexOf: Int32Array): number {
  const last = indexOf.at(-1) ?? -1;
  return (last === -1 ? (indexOf.at(-2) ?? -1) : last) + 1;
}

/** Gives each instruction the line that its record, or the last one before it, names. */
function withSources(
  instructions: readonly Instruction[],
  { slotOf }: SlotMap,
  lines: readonly LineInfo[],
): Instruction[] {
  const ordered = lines.toSorted((a, b) => a.slot - b.slot);
  let next = 0;
  let source: SourcePosition | undefined;
  return instructions.map((instruction, index) => {
    for (
      let line = ordered[next];
      line !== undefined && line.slot <= (slotOf[index] as number);
      line = ordered[++next]
    ) {
      const { file, text, ...position } = line;
      source = { file, line: position.line, column: position.column, ...(text === '' ? {} : { text }) };
    }
    return source === undefined ? instruction : { ...instruction, source };
  });
}

/** Resolves the relocations of one section. */
class Resolver {
  readonly #elf: Elf;
  readonly #section: ElfSection;
  readonly #maps: ReadMaps;

  constructor(elf: Elf, section: ElfSection, maps: ReadMaps) {
    this.#elf = elf;
    this.#section = section;
    this.#maps = maps;
  }

  resolve(instruction: Instruction, relocation: ElfRelocation): Instruction | CodePlace {
    const symbol = this.#elf.symbols[relocation.symbol] as ElfSymbol;
    const target = this.#elf.sections[symbol.section];
    if (symbol.section === 0 || target === undefined) {
      const what = instruction.kind === 'ld_imm64' ? 'variable' : 'function';
      throw this.#unsupported(
        `${what} ${symbol.name} of the kernel`,
        relocation,
        'what is extern is resolved against a kernel',
      );
    }
    if (instruction.kind === 'ld_imm64' && relocation.type === R_BPF.LD_IMM64) {
      const place = symbol.value + addendOf(instruction.value);
      if (isCode(target)) return this.#code(target, place / 8, relocation);
      const value = this.#mapValue(target, place);
      if (value === undefined) throw this.#unsupported(`byte ${place} of section ${target.name}`, relocation);
      return { ...instruction, value };
    }
    if (instruction.kind === 'call_local' && relocation.type === R_BPF.CALL && isCode(target)) {
      return this.#code(target, symbol.value / 8 + instruction.target + 1, relocation);
    }
    throw this.#unsupported(
      `${symbol.name || target.name} by relocation type ${relocation.type} of ${instruction.kind}`,
      relocation,
    );
  }

  #code(target: ElfSection, slot: number, relocation: ElfRelocation): CodePlace {
    if (Number.isInteger(slot) && slot >= 0 && slot < target.size / 8) return { section: target.index, slot };
    throw malformed(
      `a relocation of ${this.#section.name} leads out of ${target.name}`,
      this.#section.offset + relocation.offset,
    );
  }

  #mapValue(target: ElfSection, place: number): Imm64 | undefined {
    const map = this.#maps.at(target.index, place);
    if (map !== undefined) return { type: 'map', map: map.name };
    const variables = this.#maps.ofSection(target.index);
    if (variables === undefined || place > 0xffff_ffff) return undefined;
    return { type: 'map_value', map: variables.name, offset: place };
  }

  #unsupported(what: string, { offset }: ElfRelocation, hint?: string): BpfAsmError {
    return new BpfAsmError('ERR_UNSUPPORTED', `section ${this.#section.name} asks for ${what}`, {
      byteOffset: this.#section.offset + offset,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** The number that stands in an instruction before it is relocated. */
function addendOf(value: Imm64): number {
  switch (value.type) {
    case 'const':
      return Number(value.value & 0xffff_ffffn);
    case 'func':
      return value.target;
    default:
      return 0;
  }
}
