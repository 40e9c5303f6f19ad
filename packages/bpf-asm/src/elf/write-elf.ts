import type { ByteOrder } from '../isa/index.ts';
import { ELFCLASS64, ELFDATA, EM_BPF, ET_REL, SHF, SHT, SIZEOF, STB } from './format.ts';

/** A section that is to be written. */
export interface NewSection {
  readonly name: string;
  /** One of {@link SHT}. */
  readonly type: number;
  /** Bits of {@link SHF}. */
  readonly flags: number;
  readonly align: number;
  readonly bytes: Uint8Array;
  /** Size in bytes where nothing of it is in the file. */
  readonly size?: number;
  readonly relocations?: readonly NewRelocation[];
}

/** A symbol that is to be written. */
export interface NewSymbol {
  readonly name: string;
  /** One of {@link STB}. */
  readonly binding: number;
  /** One of {@link STT}. */
  readonly type: number;
  readonly section: NewSection;
  /** Bytes from the start of its section. */
  readonly value: number;
  /** Bytes. */
  readonly size: number;
}

/** A relocation that is to be written; its addend is in the section's bytes. */
export interface NewRelocation {
  /** Bytes from the start of the section. */
  readonly offset: number;
  /** One of {@link R_BPF}. */
  readonly type: number;
  readonly symbol: NewSymbol;
}

/** A section with what only the whole file tells. */
interface Placed extends NewSection {
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

/**
 * Writes a relocatable ELF64 object for eBPF: the header, the sections, their relocations, the symbols, the strings, and the table of
 * sections.
 */
export function writeElf(
  sections: readonly NewSection[],
  symbols: readonly NewSymbol[],
  byteOrder: ByteOrder,
): Uint8Array {
  const little = byteOrder === 'little';
  const strings = new Strings();
  // Local symbols come before the others, and sh_info of the table says where those begin.
  const local = symbols.filter(({ binding }) => binding === STB.LOCAL);
  const ordered = [...local, ...symbols.filter(({ binding }) => binding !== STB.LOCAL)];
  const symbolNumber = new Map(ordered.map((symbol, index) => [symbol, index + 1]));
  const sectionNumber = new Map(sections.map((section, index) => [section, index + 1]));
  const relocated = sections.filter(({ relocations = [] }) => relocations.length > 0);
  const symbolTable = sections.length + relocated.length + 1;

  const placed: Placed[] = sections.map((section) => ({ ...section, link: 0, info: 0, entrySize: 0 }));
  for (const section of relocated) {
    placed.push({
      name: `.rel${section.name}`,
      type: SHT.REL,
      flags: SHF.INFO_LINK,
      align: 8,
      bytes: encodeRelocations(section.relocations ?? [], symbolNumber, little),
      link: symbolTable,
      info: sectionNumber.get(section) as number,
      entrySize: SIZEOF.relocation,
    });
  }
  placed.push({
    name: '.symtab',
    type: SHT.SYMTAB,
    flags: 0,
    align: 8,
    bytes: encodeSymbols(ordered, sectionNumber, strings, little),
    link: symbolTable + 1,
    info: local.length + 1,
    entrySize: SIZEOF.symbol,
  });
  const names = [...placed.map(({ name }) => strings.add(name)), strings.add('.strtab')];
  placed.push({
    name: '.strtab',
    type: SHT.STRTAB,
    flags: 0,
    align: 1,
    bytes: strings.bytes(),
    link: 0,
    info: 0,
    entrySize: 0,
  });
  return encodeFile(placed, names, byteOrder);
}

function encodeRelocations(
  relocations: readonly NewRelocation[],
  numbers: ReadonlyMap<NewSymbol, number>,
  little: boolean,
): Uint8Array {
  const bytes = new Uint8Array(relocations.length * SIZEOF.relocation);
  const view = new DataView(bytes.buffer);
  relocations.forEach(({ offset, type, symbol }, index) => {
    const at = index * SIZEOF.relocation;
    writeU64(view, at, offset, little);
    // r_info: the symbol above, the type below.
    view.setBigUint64(at + 8, (BigInt(numbers.get(symbol) as number) << 32n) | BigInt(type), little);
  });
  return bytes;
}

function encodeSymbols(
  symbols: readonly NewSymbol[],
  numbers: ReadonlyMap<NewSection, number>,
  strings: Strings,
  little: boolean,
): Uint8Array {
  const bytes = new Uint8Array((symbols.length + 1) * SIZEOF.symbol);
  const view = new DataView(bytes.buffer);
  symbols.forEach(({ name, binding, type, section, value, size }, index) => {
    const at = (index + 1) * SIZEOF.symbol;
    view.setUint32(at, strings.add(name), little);
    view.setUint8(at + 4, (binding << 4) | type);
    view.setUint16(at + 6, numbers.get(section) as number, little);
    writeU64(view, at + 8, value, little);
    writeU64(view, at + 16, size, little);
  });
  return bytes;
}

function encodeFile(sections: readonly Placed[], names: readonly number[], byteOrder: ByteOrder): Uint8Array {
  const little = byteOrder === 'little';
  let end: number = SIZEOF.header;
  const offsets = sections.map(({ bytes, align }) => {
    const offset = alignUp(end, align);
    end = offset + bytes.length;
    return offset;
  });
  const table = alignUp(end, 8);
  const file = new Uint8Array(table + (sections.length + 1) * SIZEOF.section);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, ELFDATA[byteOrder], 1]);
  view.setUint16(16, ET_REL, little);
  view.setUint16(18, EM_BPF, little);
  view.setUint32(20, 1, little);
  writeU64(view, 40, table, little);
  view.setUint16(52, SIZEOF.header, little);
  view.setUint16(58, SIZEOF.section, little);
  view.setUint16(60, sections.length + 1, little);
  view.setUint16(62, sections.length, little); // the strings come last
  sections.forEach((section, index) => {
    const offset = offsets[index] as number;
    file.set(section.bytes, offset);
    const at = table + (index + 1) * SIZEOF.section;
    view.setUint32(at, names[index] as number, little);
    view.setUint32(at + 4, section.type, little);
    writeU64(view, at + 8, section.flags, little);
    writeU64(view, at + 24, offset, little);
    writeU64(view, at + 32, section.size ?? section.bytes.length, little);
    view.setUint32(at + 40, section.link, little);
    view.setUint32(at + 44, section.info, little);
    writeU64(view, at + 48, section.align, little);
    writeU64(view, at + 56, section.entrySize, little);
  });
  return file;
}

function alignUp(offset: number, align: number): number {
  return Math.ceil(offset / align) * align;
}

function writeU64(view: DataView, at: number, value: number, little: boolean): void {
  view.setBigUint64(at, BigInt(value), little);
}

/** A table of strings that end with NUL, each once. */
class Strings {
  readonly #offsets = new Map<string, number>([['', 0]]);
  #text = '\0';
  #end = 1;

  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#end;
    this.#text += `${text}\0`;
    this.#end += new TextEncoder().encode(text).length + 1;
    this.#offsets.set(text, offset);
    return offset;
  }

  bytes(): Uint8Array {
    return new TextEncoder().encode(this.#text);
  }
}
