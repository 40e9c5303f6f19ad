import type { Program } from '../asm/index.ts';
import { addMaps, BtfBuilder, funcInfoOf, lineInfoOf, writeBtfExt, type ExtSection } from '../btf/index.ts';
import { BpfAsmError, checkObjects } from '../error.ts';
import type { ByteOrder } from '../isa/index.ts';
import { layOut, TEXT, type Block, type LaidOut } from './blocks.ts';
import { dataSectionOf } from './data-sections.ts';
import { SHF, SHT, STB, STT } from './format.ts';
import type { ObjectProgram } from './object.ts';
import { btfMap, initialData, splitMaps } from './object-maps.ts';
import { relocatable } from './relocatable.ts';
import { sectionNameOf } from './section-names.ts';
import { writeElf, type NewRelocation, type NewSection, type NewSymbol } from './write-elf.ts';

/** Options of {@link writeObject}. */
export interface WriteObjectOptions {
  /** Byte order of the machine that the object is for; `little` where nothing is said. */
  readonly byteOrder?: ByteOrder;
  /** What maps hold at first that programs name with `map_value`, by name; zero where nothing is said. */
  readonly data?: ReadonlyMap<string, Uint8Array>;
}

/**
 * Writes an object file that libbpf, bpftool and iproute2's tc load as if clang had made it: each program in the section that says what it
 * is, its functions in `.text`, maps (BTF-defined) in `.maps`, the licence, and BTF with `func_info`, and `line_info` where instructions
 * have a source.
 *
 * A map that programs name with `map_value` becomes a section of variables, as that is all an object can say of it: its name is kept where it begins
 * with `.data`, `.rodata` or `.bss`, else it is `.data.NAME`, or `.rodata.NAME` for one that programs may only read.
 *
 * @param programs - programs with their maps, all of one licence. The section follows from the type and the attach type (`tc`, `xdp`,
 * `cgroup/connect4`), unless the program has a `section` of its own.
 * @param options - the byte order, and contents of maps.
 * @returns the file. The same programs give the same bytes.
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when programs do not go into one object, `ERR_UNSUPPORTED` for what no object can say,
 * `ERR_UNRESOLVED` for a map without definition, and what `encode` throws.
 * @example
 * ```ts
 * writeFileSync('filter.o', writeObject([{ ...program, section: 'classifier/from-pod' }]));
 * // tc filter add dev eth0 ingress bpf da obj filter.o sec classifier/from-pod
 * ```
 */
export function writeObject(
  programs: readonly (Program | ObjectProgram)[],
  { byteOrder = 'little', data = new Map() }: WriteObjectOptions = {},
): Uint8Array {
  checkObjects(programs, 'programs');
  const licence = licenceOf(programs);
  const sizes = new Map<string, number>();
  const laidOut = programs.map((program) => layOut(program, sectionOf(program), sizes));
  const btf = new BtfBuilder({ byteOrder });
  const { plain, variables } = splitMaps(programs);
  const mapSection = addMaps(btf, plain.map(btfMap));
  const ext = extInfo(btf, laidOut);

  const symbols: NewSymbol[] = [];
  const symbol = (name: string, section: NewSection, [binding, type]: SymbolKind, value = 0, size = 0): NewSymbol => {
    const wanted = binding === STB.LOCAL ? LOCAL_NAME : GLOBAL_NAME;
    if (!wanted.test(name)) {
      throw new BpfAsmError('ERR_INVALID_ARGUMENT', `${JSON.stringify(name)} is no name that the kernel takes`, {
        field: 'name',
        hint: 'names are of letters, digits, _ and .',
      });
    }
    const added = { name, binding, type, section, value, size };
    symbols.push(added);
    return added;
  };
  const sections = new Map<string, NewSection & { readonly relocations: NewRelocation[] }>();
  const add = (name: string, flags: number, align: number, bytes: Uint8Array, size?: number): NewSection => {
    const type = size === undefined ? SHT.PROGBITS : SHT.NOBITS;
    const section = { name, type, flags, align, bytes, relocations: [], ...(size === undefined ? {} : { size }) };
    sections.set(name, section);
    return section;
  };

  for (const [name, slots] of sizes) add(name, SHF.ALLOC | SHF.EXECINSTR, 8, new Uint8Array(8 * slots));
  const text = sections.get(TEXT);
  const textSymbol = text === undefined ? undefined : symbol('', text, SECTION);
  const targets = new Map<string, NewSymbol>();
  if (plain.length > 0) {
    const section = add('.maps', SHF.ALLOC | SHF.WRITE, 8, new Uint8Array(mapSection.size));
    for (const { name, offset, size } of mapSection.variables)
      targets.set(name, symbol(name, section, GLOBAL_OBJECT, offset, size));
  }
  for (const map of variables) {
    const name = dataSectionOf(map);
    if (sections.has(name)) throw new BpfAsmError('ERR_INVALID_ARGUMENT', `there are two sections ${name}`);
    const initial = initialData(map, name, data.get(map.name));
    const flags = name.startsWith('.rodata') ? SHF.ALLOC : SHF.ALLOC | SHF.WRITE;
    const section = name.startsWith('.bss')
      ? add(name, flags, 8, new Uint8Array(0), map.valueSize)
      : add(name, flags, 8, initial ?? new Uint8Array(map.valueSize));
    targets.set(map.name, symbol('', section, SECTION));
  }
  const licenceSection = add('license', SHF.ALLOC | SHF.WRITE, 1, new TextEncoder().encode(`${licence}\0`));
  symbol('_license', licenceSection, GLOBAL_OBJECT, 0, licenceSection.bytes.length);

  for (const one of laidOut) {
    const { bytes, relocations } = relocatable(one, byteOrder, {
      text: textSymbol,
      maps: targets,
    });
    for (const block of one.blocks) {
      const section = sections.get(block.section) as NewSection & { readonly relocations: NewRelocation[] };
      section.bytes.set(bytes.subarray(8 * block.fromSlot, 8 * block.toSlot), 8 * block.slot);
      for (const { slot, ...relocation } of relocations) {
        if (slot >= block.fromSlot && slot < block.toSlot)
          section.relocations.push({ ...relocation, offset: 8 * (slot - block.fromSlot + block.slot) });
      }
      const kind = block === one.blocks[0] ? GLOBAL_FUNC : LOCAL_FUNC;
      symbol(block.name, section, kind, 8 * block.slot, 8 * (block.toSlot - block.fromSlot));
    }
  }
  add('.BTF', 0, 4, btf.bytes());
  add('.BTF.ext', 0, 4, ext);
  return writeElf([...sections.values()], symbols, byteOrder);
}

type SymbolKind = readonly [binding: number, type: number];
const SECTION: SymbolKind = [STB.LOCAL, STT.SECTION];
const LOCAL_FUNC: SymbolKind = [STB.LOCAL, STT.FUNC];
const GLOBAL_FUNC: SymbolKind = [STB.GLOBAL, STT.FUNC];
const GLOBAL_OBJECT: SymbolKind = [STB.GLOBAL, STT.OBJECT];

/** What programs and maps may be called (`bpf_obj_name_cpy` in `kernel/bpf/syscall.c`), and, as a symbol, anything else. */
const GLOBAL_NAME = /^[A-Za-z0-9_.]+$/;
// oxlint-disable-next-line no-control-regex -- a symbol's name ends with it
const LOCAL_NAME = /^[^\0]*$/;

/** Sections that have a meaning of their own, so that no program can be in one. */
const RESERVED = /^(\.|license$|maps$|version$|$)/;

function sectionOf(program: Program | ObjectProgram): string {
  const given = 'section' in program ? program.section : undefined;
  const section = given ?? sectionNameOf(program);
  if (section === undefined) {
    const attach = program.expectedAttachType ?? 'no attach type';
    throw new BpfAsmError(
      'ERR_INVALID_ARGUMENT',
      `no section says ${program.type} with ${attach}, as ${program.name} is`,
      {
        field: 'expectedAttachType',
        hint: 'give the program an expectedAttachType, or a section of its own',
      },
    );
  }
  if (RESERVED.test(section) || section.includes('\0'))
    throw new BpfAsmError('ERR_INVALID_ARGUMENT', `${program.name} cannot be in a section ${JSON.stringify(section)}`, {
      field: 'section',
    });
  return section;
}

/** Checks what programs of one object have in common, and gives their licence. */
function licenceOf(programs: readonly Program[]): string {
  const [first] = programs;
  if (first === undefined) throw new BpfAsmError('ERR_INVALID_ARGUMENT', 'an object has at least one program');
  const names = new Set<string>();
  for (const { name, licence } of programs) {
    if (licence !== first.licence) {
      throw new BpfAsmError(
        'ERR_INVALID_ARGUMENT',
        `an object has one licence, and ${first.name} has ${first.licence}, ${name} ${licence}`,
        {
          hint: 'write two objects',
        },
      );
    }
    if (names.has(name)) throw new BpfAsmError('ERR_INVALID_ARGUMENT', `there are two programs ${name}`);
    names.add(name);
  }
  return first.licence;
}

/** `.BTF.ext`: the records of each program, moved to where its functions are. */
function extInfo(btf: BtfBuilder, laidOut: readonly LaidOut[]): Uint8Array {
  const sections = new Map<
    string,
    { functions: ExtSection['functions'][number][]; lines: ExtSection['lines'][number][] }
  >();
  for (const { program, blocks } of laidOut) {
    const symbols = {
      instructions: program.instructions,
      functions: blocks.map(({ name, from }) => ({ name, index: from })),
    };
    const functions = funcInfoOf(btf, symbols);
    const lines = lineInfoOf(symbols);
    for (const block of blocks) {
      const of = sections.get(block.section) ?? { functions: [], lines: [] };
      sections.set(block.section, of);
      of.functions.push(...within(functions, block));
      of.lines.push(...within(lines, block));
    }
  }
  return writeBtfExt(
    btf,
    [...sections].map(([name, { functions, lines }]) => ({ name, functions, lines })),
  );
}

function within<T extends { readonly slot: number }>(records: readonly T[], block: Block): T[] {
  return records
    .filter(({ slot }) => slot >= block.fromSlot && slot < block.toSlot)
    .map((record) => Object.assign({}, record, { slot: record.slot - block.fromSlot + block.slot }));
}
