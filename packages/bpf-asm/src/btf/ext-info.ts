import { BpfAsmError } from '../error.ts';
import type { ByteOrder } from '../isa/byte-order.ts';
import { slotsOf, type Instruction, type Target } from '../isa/instruction.ts';
import type { SourcePosition } from '../source.ts';
import { addFunction } from './from-layout.ts';
import type { StringTable } from './strings.ts';
import type { BtfId } from './types.ts';
import type { BtfBuilder } from './write.ts';

/** Where a function begins, and its type (`struct bpf_func_info`, Linux 5.0). */
export interface FuncInfo {
  /** Slots of 8 bytes from the start of the program or section. */
  readonly slot: number;
  /** Id of its `func`. */
  readonly type: BtfId;
}

/** The source of an instruction and those after it (`struct bpf_line_info`, Linux 5.0). */
export interface LineInfo {
  /** Slots of 8 bytes from the start of the program or section. */
  readonly slot: number;
  readonly file: string;
  /** Text of the line, without line breaks. */
  readonly text: string;
  /** From 1, at most 4194303; 0 where it is not known. */
  readonly line: number;
  /** From 1, at most 1023; 0 where it is not known. */
  readonly column: number;
}

/** A program, or all that is in one section of an object file, as far as BTF needs to know it. */
export interface CodeSymbols {
  readonly instructions: readonly Instruction<Target>[];
  /** Functions by the index of their first instruction, in order; the first begins the instructions. */
  readonly functions: readonly { readonly name: string; readonly index: number }[];
}

/** Size of a record of `func_info` in bytes (`func_info_rec_size`). */
export const FUNC_INFO_SIZE = 8;
/** Size of a record of `line_info` in bytes (`line_info_rec_size`). */
export const LINE_INFO_SIZE = 16;

const MAX_LINE = 0x3f_ffff;
const MAX_COLUMN = 0x3ff;

/** Slot of each instruction, and, last, the end. */
function slots(instructions: readonly Instruction<Target>[]): number[] {
  let end = 0;
  const starts = instructions.map((instruction) => {
    const start = end;
    end += slotsOf(instruction);
    return start;
  });
  return [...starts, end];
}

/**
 * Adds the functions of a program and says where each begins. The first is the program itself, the others are static.
 *
 * @throws BpfAsmError `ERR_BTF` when functions are not in order, or the first does not begin the instructions.
 */
export function funcInfoOf(btf: BtfBuilder, { instructions, functions }: CodeSymbols): FuncInfo[] {
  const starts = slots(instructions);
  let previous = -1;
  return functions.map(({ name, index }, i) => {
    if (!(index > previous && index < instructions.length) || (i === 0 && index !== 0)) {
      throw new BpfAsmError(
        'ERR_BTF',
        `function ${name} cannot begin at instruction ${index} of ${instructions.length}`,
        {
          hint: 'give functions in the order of their first instruction, the first at 0',
        },
      );
    }
    previous = index;
    return { slot: starts[index] ?? 0, type: addFunction(btf, { name, main: i === 0 }) };
  });
}

/**
 * The lines that instructions carry as their `source`, one record where the line changes. The kernel wants one at the start of each
 * function: where the first instruction has none, it is that of the next one in the function, or the function's name.
 *
 * @returns no record when no instruction has a source.
 * @throws BpfAsmError `ERR_OUT_OF_RANGE` for a line beyond 4194303. A column beyond 1023 is given as 0, not known.
 */
export function lineInfoOf({ instructions, functions }: CodeSymbols): LineInfo[] {
  if (!instructions.some(({ source }) => source !== undefined)) return [];
  const starts = slots(instructions);
  const names = new Map(functions.map(({ name, index }) => [index, name]));
  const records: LineInfo[] = [];
  let current: SourcePosition | undefined;
  for (const [index, { source }] of instructions.entries()) {
    const name = names.get(index);
    const here =
      name === undefined
        ? source
        : (source ?? nextSource(instructions, names, index) ?? { file: '', line: 0, column: 0, text: name });
    if (here === undefined || (name === undefined && current !== undefined && sameLine(current, here))) continue;
    current = here;
    records.push(lineInfo(starts[index] ?? 0, here, index));
  }
  return records;
}

function nextSource(
  instructions: CodeSymbols['instructions'],
  names: ReadonlyMap<number, string>,
  from: number,
): SourcePosition | undefined {
  for (let i = from + 1; i < instructions.length && !names.has(i); i++) {
    const source = instructions[i]?.source;
    if (source !== undefined) return source;
  }
  return undefined;
}

function sameLine(a: SourcePosition, b: SourcePosition): boolean {
  return a === b || (a.file === b.file && a.line === b.line && a.column === b.column && a.text === b.text);
}

function lineInfo(slot: number, { file, line, column, text }: SourcePosition, instruction: number): LineInfo {
  if (!Number.isInteger(line) || line < 0 || line > MAX_LINE) {
    throw new BpfAsmError('ERR_OUT_OF_RANGE', `line ${line} does not fit line_info, which ends at ${MAX_LINE}`, {
      instruction,
      field: 'source',
    });
  }
  const known = Number.isInteger(column) && column > 0 && column <= MAX_COLUMN;
  return { slot, file: oneLine(file), text: oneLine(text ?? ''), line, column: known ? column : 0 };
}

/** A line break would end a line of the verifier's log, a NUL the string. */
function oneLine(text: string): string {
  return text.replace(/[\0\n\r\v\f\u0085\u2028\u2029]+/g, ' ');
}

/** Unit of the offsets in records: the kernel counts slots of 8 bytes, object files count bytes. */
export type InfoUnit = 'slots' | 'bytes';

/** Records of `func_info` as `BPF_PROG_LOAD` takes them, `FUNC_INFO_SIZE` bytes each. */
export function encodeFuncInfo(
  records: readonly FuncInfo[],
  byteOrder: ByteOrder = 'little',
  unit: InfoUnit = 'slots',
): Uint8Array {
  return words(
    records.flatMap(({ slot, type }) => [unit === 'bytes' ? 8 * slot : slot, type]),
    byteOrder,
  );
}

/**
 * Records of `line_info` as `BPF_PROG_LOAD` takes them, `LINE_INFO_SIZE` bytes each. Their strings are added to `btf`, in whose
 * byte order they are written: do it before `btf.bytes()`.
 */
export function encodeLineInfo(btf: BtfBuilder, records: readonly LineInfo[], unit: InfoUnit = 'slots'): Uint8Array {
  const fields = records.flatMap(({ slot, file, text, line, column }) => [
    unit === 'bytes' ? 8 * slot : slot,
    btf.string(file),
    btf.string(text),
    ((line << 10) | column) >>> 0,
  ]);
  return words(fields, btf.byteOrder);
}

function words(values: readonly number[], byteOrder: ByteOrder): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, byteOrder === 'little');
  return bytes;
}

/** How {@link decodeFuncInfo} and {@link decodeLineInfo} read records. */
export interface InfoDecodeOptions {
  readonly byteOrder?: ByteOrder;
  /** Bytes of a record, where a newer kernel or compiler has more fields. */
  readonly recordSize?: number;
  readonly unit?: InfoUnit;
}

/**
 * Records of `func_info`.
 *
 * @throws BpfAsmError `ERR_BTF` when the bytes are not whole records, or an offset is not that of a slot.
 */
export function decodeFuncInfo(
  bytes: Uint8Array,
  { recordSize = FUNC_INFO_SIZE, ...options }: InfoDecodeOptions = {},
): FuncInfo[] {
  return decode(bytes, FUNC_INFO_SIZE, recordSize, options, (word, slot) => ({ slot, type: word(4) }));
}

/**
 * Records of `line_info`, with their strings.
 *
 * @param strings - `strings` of the BTF that goes with them.
 * @throws BpfAsmError `ERR_BTF` when the bytes are not whole records, an offset is not that of a slot, or a string is not there.
 */
export function decodeLineInfo(
  bytes: Uint8Array,
  strings: StringTable,
  { recordSize = LINE_INFO_SIZE, ...options }: InfoDecodeOptions = {},
): LineInfo[] {
  return decode(bytes, LINE_INFO_SIZE, recordSize, options, (word, slot) => ({
    slot,
    file: strings.at(word(4)),
    text: strings.at(word(8)),
    line: word(12) >>> 10,
    column: word(12) & MAX_COLUMN,
  }));
}

function decode<T>(
  bytes: Uint8Array,
  least: number,
  recordSize: number,
  { byteOrder = 'little', unit = 'slots' }: InfoDecodeOptions,
  record: (word: (offset: number) => number, slot: number) => T,
): T[] {
  if (!Number.isInteger(recordSize) || recordSize < least || recordSize % 4 !== 0 || bytes.length % recordSize !== 0) {
    throw new BpfAsmError('ERR_BTF', `${bytes.length} bytes are not whole records of ${recordSize}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: T[] = [];
  for (let at = 0; at < bytes.length; at += recordSize) {
    const offset = view.getUint32(at, byteOrder === 'little');
    if (unit === 'bytes' && offset % 8 !== 0) {
      throw new BpfAsmError('ERR_BTF', `a record is about byte ${offset}, where no instruction begins`, {
        byteOffset: at,
      });
    }
    records.push(record((o) => view.getUint32(at + o, byteOrder === 'little'), unit === 'bytes' ? offset / 8 : offset));
  }
  return records;
}
