import { BpfAsmError } from '../error.ts';
import type { ByteOrder } from '../isa/index.ts';
import { ELFCLASS64, ELFDATA, EM_BPF, ET_REL, SHT, SIZEOF } from './format.ts';

/** A section that was read. */
export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Size in bytes, in the file or not. */
  readonly size: number;
  /** What is in the file; empty for `SHT_NOBITS`. A view of the file. */
  readonly bytes: Uint8Array;
  /** Byte of the file where it begins. */
  readonly offset: number;
  readonly link: number;
  readonly info: number;
}

/** A symbol that was read. */
export interface ElfSymbol {
  readonly name: string;
  readonly binding: number;
  readonly type: number;
  /** Number of its section; 0 for what the file does not define. */
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

/** A relocation that was read. */
export interface ElfRelocation {
  /** Byte of its section. */
  readonly offset: number;
  readonly type: number;
  /** Number of its symbol. */
  readonly symbol: number;
}

/** An ELF file's parts. */
export interface Elf {
  readonly byteOrder: ByteOrder;
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Symbols by the number of their section. */
  readonly symbolsOf: ReadonlyMap<number, readonly ElfSymbol[]>;
  /** Relocations by the number of the section that they change. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

/** No name is longer: the kernel's own end at 512 bytes, and a bound keeps hostile files from being read over and over. */
const MAX_NAME = 1024;

/**
 * Takes a relocatable ELF64 object for eBPF apart. Every number that leads somewhere is checked.
 *
 * @throws BpfAsmError `ERR_ELF` with the byte at which it makes no sense.
 */
export function readElf(bytes: Uint8Array): Elf {
  if (!(bytes instanceof Uint8Array)) throw malformed('an object file is read from a Uint8Array', 0);
  // What is cut out of a Buffer of Node's would be one too, whose slice() does not copy.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const view = viewOf(file);
  if (file.length < SIZEOF.header || view.getUint32(0) !== 0x7f454c46)
    throw malformed('this is no ELF file', 0, 'give an object file that a compiler or writeObject made');
  if (view.getUint8(4) !== ELFCLASS64) throw malformed('this ELF file is not of 64 bits, as eBPF is', 4);
  const little = view.getUint8(5) === ELFDATA.little;
  if (!little && view.getUint8(5) !== ELFDATA.big) throw malformed(`there is no byte order ${view.getUint8(5)}`, 5);
  if (view.getUint16(16, little) !== ET_REL) throw malformed('this ELF file is no relocatable object', 16);
  const machine = view.getUint16(18, little);
  if (machine !== EM_BPF) throw malformed(`this object is for machine ${machine}, and eBPF is ${EM_BPF}`, 18);

  const sections = readSections(file, view, little);
  const table = sections.find(({ type }) => type === SHT.SYMTAB);
  const symbols = table === undefined ? [] : readSymbols(table, sections, little);
  const relocations = new Map<number, ElfRelocation[]>();
  for (const section of sections) {
    if (section.type !== SHT.REL && section.type !== SHT.RELA) continue;
    const target = sections[section.info];
    if (target === undefined)
      throw malformed(`${section.name} is about section ${section.info}, which is not there`, section.offset);
    if (section.type === SHT.RELA)
      throw malformed(`${section.name} has addends, which eBPF objects do not`, section.offset);
    const list = relocations.get(target.index) ?? [];
    relocations.set(target.index, list);
    for (const relocation of readRelocations(section, symbols.length, little)) list.push(relocation);
  }
  const symbolsOf = new Map<number, ElfSymbol[]>();
  for (const symbol of symbols) {
    const list = symbolsOf.get(symbol.section) ?? [];
    symbolsOf.set(symbol.section, list);
    list.push(symbol);
  }
  return { byteOrder: little ? 'little' : 'big', sections, symbols, symbolsOf, relocations };
}

/** Text up to the first NUL. */
export function textAt(bytes: Uint8Array, at: number, where: string): string {
  const limit = Math.min(bytes.length, at + MAX_NAME + 1);
  let end = at;
  while (end < limit && bytes[end] !== 0) end++;
  if (end >= limit) throw malformed(`a name in ${where} does not end within it, or within ${MAX_NAME} bytes`, at);
  return new TextDecoder().decode(bytes.subarray(at, end));
}

/** An error of this reader. */
export function malformed(message: string, byteOffset: number, hint?: string): BpfAsmError {
  return new BpfAsmError('ERR_ELF', message, { byteOffset, ...(hint === undefined ? {} : { hint }) });
}

function readSections(file: Uint8Array, view: DataView, little: boolean): ElfSection[] {
  const start = u64(view, 40, little);
  const count = view.getUint16(60, little);
  if (view.getUint16(58, little) !== SIZEOF.section || count === 0)
    throw malformed('the file has no table of sections that is known', 58);
  if (start + count * SIZEOF.section > file.length) throw malformed('the table of sections ends beyond the file', 40);
  const headers = Array.from({ length: count }, (_, index) => {
    const at = start + index * SIZEOF.section;
    const type = view.getUint32(at + 4, little);
    const size = u64(view, at + 32, little);
    const offset = u64(view, at + 24, little);
    const inFile = type === SHT.NOBITS || type === SHT.NULL ? 0 : size;
    if (inFile > 0 && offset + inFile > file.length) throw malformed(`section ${index} ends beyond the file`, at);
    return {
      index,
      nameOffset: view.getUint32(at, little),
      type,
      flags: view.getUint32(at + 8 + (little ? 0 : 4), little),
      size,
      bytes: file.subarray(inFile > 0 ? offset : 0, inFile > 0 ? offset + inFile : 0),
      offset: inFile > 0 ? offset : at,
      link: view.getUint32(at + 40, little),
      info: view.getUint32(at + 44, little),
    };
  });
  // Sections do not share bytes in any file that a tool made. In one that they do, work would be out of all proportion to its size.
  if (headers.reduce((sum, { bytes }) => sum + bytes.length, 0) > file.length)
    throw malformed('sections lie on top of each other', start);
  const names = headers[view.getUint16(62, little)];
  if (names === undefined || names.type !== SHT.STRTAB) throw malformed('the names of sections are not there', 62);
  return headers.map(({ nameOffset, index, type, flags, size, bytes, offset, link, info }) => {
    const name = textAt(names.bytes, nameOffset, 'the names of sections');
    return { index, name, type, flags, size, bytes, offset, link, info };
  });
}

function readSymbols(table: ElfSection, sections: readonly ElfSection[], little: boolean): ElfSymbol[] {
  const names = sections[table.link];
  if (names === undefined || names.type !== SHT.STRTAB)
    throw malformed('the names of symbols are not there', table.offset);
  const view = viewOf(table.bytes);
  return Array.from({ length: Math.floor(table.bytes.length / SIZEOF.symbol) }, (_, index) => {
    const at = index * SIZEOF.symbol;
    const info = view.getUint8(at + 4);
    return {
      name: textAt(names.bytes, view.getUint32(at, little), 'the names of symbols'),
      binding: info >> 4,
      type: info & 0xf,
      section: view.getUint16(at + 6, little),
      value: u64(view, at + 8, little),
      size: u64(view, at + 16, little),
    };
  });
}

function readRelocations({ name, bytes, offset }: ElfSection, symbols: number, little: boolean): ElfRelocation[] {
  const view = viewOf(bytes);
  return Array.from({ length: Math.floor(bytes.length / SIZEOF.relocation) }, (_, index) => {
    const at = index * SIZEOF.relocation;
    const symbol = view.getUint32(at + 8 + (little ? 4 : 0), little);
    if (symbol >= symbols) throw malformed(`${name} names symbol ${symbol}, which is not there`, offset + at);
    return { offset: u64(view, at, little), type: view.getUint32(at + 8 + (little ? 0 : 4), little), symbol };
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Beyond 2^53 it is beyond any file all the same. */
function u64(view: DataView, at: number, little: boolean): number {
  return view.getUint32(at + (little ? 4 : 0), little) * 0x1_0000_0000 + view.getUint32(at + (little ? 0 : 4), little);
}
