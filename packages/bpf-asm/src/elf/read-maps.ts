import { MAP_TYPE, type MapDefinition, type MapType } from '../asm/index.ts';
import type { Btf, BtfComposite, BtfId, BtfType } from '../btf/index.ts';
import { resolve } from '../btf/names.ts';
import { BpfAsmError } from '../error.ts';
import { isDataSection, mapOfData } from './data-sections.ts';
import { SHF, SHT, STT } from './format.ts';
import type { ElfSection, ElfSymbol, Elf } from './read-elf.ts';
import { malformed } from './read-elf.ts';

/** The maps of a file, and how to find them. */
export interface ReadMaps {
  readonly maps: readonly MapDefinition[];
  readonly data: ReadonlyMap<string, Uint8Array>;
  readonly pinned: readonly string[];
  /** The map whose symbol is at a byte of a section. */
  at(section: number, offset: number): MapDefinition | undefined;
  /** The map that a section of variables is. */
  ofSection(section: number): MapDefinition | undefined;
}

const TYPE_NAME: ReadonlyMap<number, MapType> = new Map(
  (Object.keys(MAP_TYPE) as MapType[]).map((name) => [MAP_TYPE[name], name]),
);

/**
 * Reads the maps of a file: those of `.maps` out of BTF, those of `maps` as old loaders have them, and sections of variables.
 *
 * @throws BpfAsmError `ERR_ELF` when a map makes no sense, `ERR_UNSUPPORTED` when it says what is not known here.
 */
export function readMaps({ sections, symbolsOf, byteOrder }: Elf, btf: Btf | undefined): ReadMaps {
  const byPlace = new Map<string, MapDefinition>();
  const bySection = new Map<number, MapDefinition>();
  const data = new Map<string, Uint8Array>();
  const pinned: string[] = [];
  const names = new Set<string>();
  const claim = (name: string, section: ElfSection): void => {
    if (names.has(name)) throw malformed(`there are two maps ${name}`, section.offset);
    names.add(name);
  };
  const place = (symbol: ElfSymbol, map: MapDefinition): void => {
    byPlace.set(`${symbol.section}:${symbol.value}`, map);
  };
  for (const section of sections) {
    if (section.name === '.maps') {
      for (const symbol of objectsIn(symbolsOf, section)) {
        claim(symbol.name, section);
        const { map, pin } = btfMapOf(symbol, section, btf);
        place(symbol, map);
        if (pin) pinned.push(map.name);
      }
    } else if (section.name === 'maps') {
      for (const symbol of objectsIn(symbolsOf, section)) {
        claim(symbol.name, section);
        place(symbol, oldMapOf(symbol, section, byteOrder === 'little'));
      }
    } else if (isDataSection(section.name) && (section.flags & SHF.ALLOC) !== 0 && section.size > 0) {
      if (section.size > 0xffff_ffff)
        throw malformed(`section ${section.name} is larger than a map can be`, section.offset);
      const map = mapOfData(section.name, section.size);
      claim(map.name, section);
      bySection.set(section.index, map);
      if (section.type !== SHT.NOBITS) data.set(map.name, section.bytes.slice());
    }
  }
  return {
    maps: [...byPlace.values(), ...bySection.values()],
    data,
    pinned,
    at: (section, offset) => byPlace.get(`${section}:${offset}`),
    ofSection: (section) => bySection.get(section),
  };
}

function objectsIn(symbolsOf: Elf['symbolsOf'], { index }: ElfSection): ElfSymbol[] {
  return (symbolsOf.get(index) ?? []).filter(({ type, name }) => type !== STT.SECTION && name !== '');
}

/** `struct bpf_map_def` of libbpf before 1.0, and of iproute2, which is longer: type, sizes, entries, flags. */
function oldMapOf({ name, value }: ElfSymbol, { bytes, offset }: ElfSection, little: boolean): MapDefinition {
  if (value + 20 > bytes.length) throw malformed(`map ${name} is cut off`, offset);
  const view = new DataView(bytes.buffer, bytes.byteOffset + value, 20);
  const [type = 0, keySize = 0, valueSize = 0, maxEntries = 0, flags = 0] = [0, 4, 8, 12, 16].map((at) =>
    view.getUint32(at, little),
  );
  return definition(name, { type, keySize, valueSize, maxEntries, flags });
}

interface Numbers {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

function definition(name: string, { type, flags, ...rest }: Numbers, inner?: MapDefinition): MapDefinition {
  const known = TYPE_NAME.get(type);
  if (known === undefined)
    throw new BpfAsmError('ERR_UNSUPPORTED', `map ${name} is of type ${type}, which is not known`);
  return { name, type: known, ...rest, ...(flags === 0 ? {} : { flags }), ...(inner === undefined ? {} : { inner }) };
}

function btfMapOf(symbol: ElfSymbol, section: ElfSection, btf: Btf | undefined): { map: MapDefinition; pin: boolean } {
  const fail = (problem: string): never => {
    throw malformed(`map ${symbol.name} ${problem}`, section.offset);
  };
  if (btf === undefined) return fail('needs BTF, and the file has none');
  const id = btf.find(symbol.name, 'var');
  const variable = id === undefined ? undefined : btf.type(id);
  if (variable?.kind !== 'var') return fail('is not in BTF');
  const struct = resolve(btf, variable.type);
  if (struct?.kind !== 'struct') return fail('is no struct');
  return new MapReader(btf, symbol.name, fail).read(struct, 0);
}

/** Reads a map out of the struct that defines it (BTF-defined maps of libbpf). */
class MapReader {
  readonly #btf: Btf;
  readonly #name: string;
  readonly #fail: (problem: string) => never;

  constructor(btf: Btf, name: string, fail: (problem: string) => never) {
    this.#btf = btf;
    this.#name = name;
    this.#fail = fail;
  }

  read(struct: BtfComposite, depth: number): { map: MapDefinition; pin: boolean } {
    const numbers = { type: 0, keySize: 0, valueSize: 0, maxEntries: 0, flags: 0 };
    let inner: MapDefinition | undefined;
    let pin = false;
    const seen = new Set<string>();
    for (const { name, type } of struct.members) {
      if (seen.has(name)) return this.#fail(`says ${name} twice`);
      seen.add(name);
      if (name === 'type') numbers.type = this.#number(type);
      else if (name === 'max_entries') numbers.maxEntries = this.#number(type);
      else if (name === 'map_flags') numbers.flags = this.#number(type);
      else if (name === 'key_size') numbers.keySize = this.#number(type);
      else if (name === 'value_size') numbers.valueSize = this.#number(type);
      else if (name === 'key') numbers.keySize = this.#sizeBehind(type);
      else if (name === 'value') numbers.valueSize = this.#sizeBehind(type);
      else if (name === 'pinning') pin = this.#number(type) === 1;
      else if (name === 'values') {
        inner = this.#inner(type, depth);
        numbers.keySize ||= 4;
        numbers.valueSize ||= 4;
      } else throw new BpfAsmError('ERR_UNSUPPORTED', `map ${this.#name} has a field ${name}, which is not known`);
    }
    return { map: definition(depth === 0 ? this.#name : `${this.#name}.inner`, numbers, inner), pin };
  }

  /** A number is the length of the array that a member points to. */
  #number(type: BtfId): number {
    const array = this.#behind(type);
    return array?.kind === 'array' ? array.length : this.#fail('has a number that is none');
  }

  #sizeBehind(type: BtfId): number {
    const pointer = resolve(this.#btf, type);
    return pointer?.kind === 'ptr' ? sizeOf(this.#btf, pointer.type, 0) : this.#fail('has a type that is none');
  }

  #behind(type: BtfId): BtfType | undefined {
    const pointer = resolve(this.#btf, type);
    return pointer?.kind === 'ptr' ? resolve(this.#btf, pointer.type) : undefined;
  }

  /** What the maps in a map of maps are; undefined for an array of programs. */
  #inner(type: BtfId, depth: number): MapDefinition | undefined {
    const array = resolve(this.#btf, type);
    const struct = array?.kind === 'array' ? this.#behind(array.element) : undefined;
    if (struct?.kind === 'func_proto') return undefined;
    if (struct?.kind !== 'struct' || depth > 0) return this.#fail('has values that are no maps');
    return this.read(struct, depth + 1).map;
  }
}

/** Size of a type in bytes. */
function sizeOf(btf: Btf, id: BtfId, depth: number): number {
  const type = resolve(btf, id);
  if (type?.kind === 'ptr') return 8;
  if (type?.kind === 'array' && depth < 32) {
    const size = type.length * sizeOf(btf, type.element, depth + 1);
    if (size <= 0xffff_ffff) return size;
  }
  if (type !== undefined && 'size' in type) return type.size;
  throw malformed(`type ${id} of BTF has no size`, 0);
}
