import { jumpTarget, landing, mapNames, withTarget, type FunctionSymbol, type ProgramType } from '../asm/index.ts';
import { readBtf, readBtfExt, type Btf, type LineInfo } from '../btf/index.ts';
import { BpfAsmError } from '../error.ts';
import { slotsOf, type Instruction } from '../isa/index.ts';
import { TEXT } from './blocks.ts';
import { refuseCoreRelocations } from './core.ts';
import { STB } from './format.ts';
import type { ObjectFile, ObjectProgram } from './object.ts';
import { isCode, readCode, type CodeFunction, type CodePlace, type CodeSection } from './read-code.ts';
import { malformed, readElf, textAt, type Elf } from './read-elf.ts';
import { readMaps, type ReadMaps } from './read-maps.ts';
import { meaningOf } from './section-names.ts';

/** Options of {@link readObject}. */
export interface ReadObjectOptions {
  /** Type of the programs whose section's name does not say it. Without it, there is an error for those. */
  readonly type?: ProgramType;
}

/** Instructions that all programs of a file may have together, functions counted in each that calls them. Hostile files have more. */
const MAX_INSTRUCTIONS = 1 << 22;

/**
 * Reads an object file that clang, gcc or {@link writeObject} made for eBPF. Maps are named, and each program has the functions that it calls.
 *
 * @param bytes - the file.
 * @param options - what sections do not say.
 * @throws BpfAsmError `ERR_ELF` or `ERR_BTF` when it makes no sense, `ERR_UNSUPPORTED` for what is resolved against a kernel (CO-RE, extern
 * variables and functions) and for a section that says no type; it names them.
 * @example
 * ```ts
 * for (const program of readObject(readFileSync('filter.o')).programs) console.log(print(program.instructions));
 * ```
 */
export function readObject(bytes: Uint8Array, options: ReadObjectOptions = {}): ObjectFile {
  const elf = readElf(bytes);
  const find = (name: string): Uint8Array | undefined => elf.sections.find((section) => section.name === name)?.bytes;
  const btfBytes = find('.BTF');
  const btf = btfBytes === undefined ? undefined : readBtf(btfBytes);
  const maps = readMaps(elf, btf);
  refuseOtherRelocations(elf);
  const lines = linesOf(find('.BTF.ext'), btf);
  const code = new Map<number, CodeSection>();
  for (const section of elf.sections) {
    if (isCode(section)) code.set(section.index, readCode(elf, section, maps, lines.get(section.name) ?? []));
  }
  const licenceBytes = find('license');
  const licence = licenceBytes === undefined ? '' : textAt(licenceBytes, 0, 'license');
  return {
    byteOrder: elf.byteOrder,
    licence,
    programs: programsOf(code, { licence, maps, options }),
    maps: maps.maps,
    data: maps.data,
    pinned: maps.pinned,
    ...(btf === undefined ? {} : { btf }),
  };
}

function linesOf(ext: Uint8Array | undefined, btf: Btf | undefined): Map<string, readonly LineInfo[]> {
  if (ext === undefined || btf === undefined) return new Map();
  refuseCoreRelocations(ext, btf);
  return new Map(readBtfExt(ext, btf.strings).map(({ name, lines }) => [name, lines]));
}

/** Relocations of what is not code: those of debugging data are of no account, those of values are. */
function refuseOtherRelocations({ sections, relocations }: Elf): void {
  for (const index of relocations.keys()) {
    const { name } = sections[index] as Elf['sections'][number];
    if (!/^(\.maps$|\.data|\.rodata|\.struct_ops)/.test(name)) continue;
    throw new BpfAsmError('ERR_UNSUPPORTED', `section ${name} holds addresses of maps or programs`, {
      hint: 'put them into their maps when these exist',
    });
  }
}

interface Shared {
  readonly licence: string;
  readonly maps: ReadMaps;
  readonly options: ReadObjectOptions;
}

function programsOf(code: ReadonlyMap<number, CodeSection>, shared: Shared): ObjectProgram[] {
  const programs: ObjectProgram[] = [];
  let count = 0;
  for (const of of code.values()) {
    // What is in .text is called by programs, unless there is nothing else.
    if (of.section.name === TEXT && code.size > 1) continue;
    if (of.functions.size === 0)
      throw malformed(`section ${of.section.name} has code and no function`, of.section.offset);
    for (const [slot, { binding }] of [...of.functions].toSorted(([a], [b]) => a - b)) {
      // A static function is part of the programs that call it.
      if (binding === STB.LOCAL) continue;
      const program = programOf(code, { section: of.section.index, slot }, shared);
      count += program.instructions.length;
      if (count > MAX_INSTRUCTIONS)
        throw malformed(`the programs have more than ${MAX_INSTRUCTIONS} instructions together`, 0);
      programs.push(program);
    }
  }
  return programs;
}

function programOf(
  code: ReadonlyMap<number, CodeSection>,
  entry: CodePlace,
  { licence, maps, options }: Shared,
): ObjectProgram {
  const { instructions, functions } = linkFunctions(code, entry);
  const section = (code.get(entry.section) as CodeSection).section.name;
  const { name } = functions[0] as FunctionSymbol;
  const meaning = meaningOf(section) ?? (options.type === undefined ? undefined : { type: options.type });
  if (meaning === undefined) {
    throw new BpfAsmError('ERR_UNSUPPORTED', `section ${section} does not say what program ${name} is`, {
      hint: 'say it with the option type',
    });
  }
  const named = new Set(mapNames(instructions));
  return {
    name,
    section,
    ...meaning,
    licence,
    instructions,
    functions,
    maps: maps.maps.filter((map) => named.has(map.name)),
  };
}

/** A function that goes into a program, and where it begins there. */
interface Part {
  readonly of: CodeSection;
  readonly body: CodeFunction;
  readonly key: string;
  readonly index: number;
  readonly slot: number;
}

/** Puts a function and all that it calls, directly or not, one after the other, the others in the order of the file. */
function linkFunctions(
  code: ReadonlyMap<number, CodeSection>,
  entry: CodePlace,
): { instructions: Instruction[]; functions: FunctionSymbol[] } {
  const parts = new Map<string, Part>();
  let index = 0;
  let slot = 0;
  for (const place of callees(code, entry)) {
    const of = code.get(place.section) as CodeSection;
    const body = of.functions.get(place.slot) as CodeFunction;
    const key = keyOf(place);
    parts.set(key, { of, body, key, index, slot });
    index += body.to - body.from;
    slot += (of.slots.slotOf[body.to] as number) - (of.slots.slotOf[body.from] as number);
  }
  const instructions: Instruction[] = [];
  for (const { of, body, slot: start } of parts.values()) {
    let at = start;
    for (let i = body.from; i < body.to; i++) {
      const instruction = of.instructions[i] as Instruction;
      const call = of.calls.get(i);
      if (call !== undefined) {
        const callee = parts.get(keyOf(call)) as Part;
        instructions.push(pointTo(instruction, callee.slot - at - 1));
      } else {
        checkJump(of, body, i);
        instructions.push(instruction);
      }
      at += slotsOf(instruction);
    }
  }
  return {
    instructions,
    functions: [...parts.values()].map(({ body, index: first }) => ({ name: body.name, index: first })),
  };
}

function pointTo(instruction: Instruction, target: number): Instruction {
  if (instruction.kind === 'ld_imm64') return { ...instruction, value: { type: 'func', target } };
  return withTarget(instruction, target);
}

function keyOf({ section, slot }: CodePlace): string {
  return `${section}:${slot}`;
}

/** The function at `entry`, and after it every function that it calls, directly or not. */
function callees(code: ReadonlyMap<number, CodeSection>, entry: CodePlace): CodePlace[] {
  const found = new Map([[keyOf(entry), entry]]);
  for (const place of found.values()) {
    const of = code.get(place.section) as CodeSection;
    const body = of.functions.get(place.slot);
    if (body === undefined)
      throw malformed(
        `a call leads to slot ${place.slot} of ${of.section.name}, where no function begins`,
        of.section.offset,
      );
    for (let i = body.from; i < body.to; i++) {
      const callee = of.calls.get(i);
      if (callee !== undefined && !found.has(keyOf(callee))) found.set(keyOf(callee), callee);
    }
  }
  const [, ...others] = found.values();
  return [entry, ...others.sort((a, b) => a.section - b.section || a.slot - b.slot)];
}

function checkJump(
  { section, instructions, slots }: CodeSection,
  { name, from, to }: CodeFunction,
  index: number,
): void {
  if (jumpTarget(instructions[index] as Instruction) === undefined) return;
  const at = landing(instructions, slots, index);
  if (typeof at === 'number' && at >= from && at < to) return;
  throw malformed(`a jump leads out of function ${name}`, section.offset + 8 * (slots.slotOf[index] as number));
}
