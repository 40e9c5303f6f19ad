import { BpfAsmError } from '../error.ts';
import type { ByteOrder } from '../isa/byte-order.ts';
import {
  decodeFuncInfo,
  decodeLineInfo,
  encodeFuncInfo,
  encodeLineInfo,
  FUNC_INFO_SIZE,
  LINE_INFO_SIZE,
  type FuncInfo,
  type LineInfo,
} from './ext-info.ts';
import { BTF_MAGIC } from './kinds.ts';
import type { StringTable } from './strings.ts';
import type { BtfBuilder } from './write.ts';

/** What `.BTF.ext` says of one section of an object file. */
export interface ExtSection {
  /** Name of the section, such as `tc`. */
  readonly name: string;
  readonly functions: readonly FuncInfo[];
  readonly lines: readonly LineInfo[];
}

/** Size of the header that is written (`struct btf_ext_header` with the fields for CO-RE, which are zero). */
const HEADER_SIZE = 32;
/** Size of the oldest header, without those. */
const MIN_HEADER_SIZE = 24;

/**
 * The `.BTF.ext` section of an object file. Its strings are added to `btf`: do it before `btf.bytes()`.
 *
 * @param btf - the BTF that goes into `.BTF` of the same file.
 * @param sections - the sections with code; one without records is left out.
 */
export function writeBtfExt(btf: BtfBuilder, sections: readonly ExtSection[]): Uint8Array {
  const little = btf.byteOrder === 'little';
  const group = (recordSize: number, list: readonly { name: string; records: Uint8Array }[]): Uint8Array => {
    const filled = list.filter(({ records }) => records.length > 0);
    // The size of records without records is an error to libbpf, which then leaves out all of .BTF.ext.
    if (filled.length === 0) return new Uint8Array(0);
    const bytes = new Uint8Array(filled.reduce((size, { records }) => size + 8 + records.length, 4));
    const view = new DataView(bytes.buffer);
    view.setUint32(0, recordSize, little);
    let at = 4;
    for (const { name, records } of filled) {
      view.setUint32(at, btf.string(name), little);
      view.setUint32(at + 4, records.length / recordSize, little);
      bytes.set(records, at + 8);
      at += 8 + records.length;
    }
    return bytes;
  };
  const functions = group(
    FUNC_INFO_SIZE,
    sections.map((section) => ({
      name: section.name,
      records: encodeFuncInfo(section.functions, btf.byteOrder, 'bytes'),
    })),
  );
  const lines = group(
    LINE_INFO_SIZE,
    sections.map((section) => ({ name: section.name, records: encodeLineInfo(btf, section.lines, 'bytes') })),
  );
  const bytes = new Uint8Array(HEADER_SIZE + functions.length + lines.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, BTF_MAGIC, little);
  view.setUint8(2, 1);
  const end = functions.length + lines.length;
  [HEADER_SIZE, 0, functions.length, functions.length, lines.length, end, 0].forEach((word, i) =>
    view.setUint32(4 + 4 * i, word, little),
  );
  bytes.set(functions, HEADER_SIZE);
  bytes.set(lines, HEADER_SIZE + functions.length);
  return bytes;
}

/**
 * Reads a `.BTF.ext` section. Its CO-RE relocations, where it has any, are passed over.
 *
 * @param bytes - the section.
 * @param strings - `strings` of the BTF in the same file.
 * @throws BpfAsmError `ERR_BTF` with the byte at which it makes no sense.
 */
export function readBtfExt(bytes: Uint8Array, strings: StringTable): ExtSection[] {
  if (!(bytes instanceof Uint8Array)) throw malformed('.BTF.ext is read from a Uint8Array', 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < MIN_HEADER_SIZE) throw malformed(`.BTF.ext of ${bytes.length} bytes has no header`, 0);
  const little = view.getUint16(0, true) === BTF_MAGIC;
  if (!little && view.getUint16(0) !== BTF_MAGIC)
    throw malformed('this is no .BTF.ext: it does not begin with eb9f', 0);
  if (view.getUint8(2) !== 1) throw malformed(`.BTF.ext has version ${view.getUint8(2)}, and 1 is known`, 2);
  const headerLength = view.getUint32(4, little);
  if (headerLength < MIN_HEADER_SIZE) throw malformed(`the header of .BTF.ext cannot have ${headerLength} bytes`, 4);

  const sections = new Map<string, { name: string; functions: FuncInfo[]; lines: LineInfo[] }>();
  const sectionOf = (name: string): { functions: FuncInfo[]; lines: LineInfo[] } => {
    const known = sections.get(name) ?? { name, functions: [], lines: [] };
    sections.set(name, known);
    return known;
  };
  const byteOrder: ByteOrder = little ? 'little' : 'big';
  for (const { name, records, recordSize } of groups(view, 8, headerLength, little, strings)) {
    for (const record of decodeFuncInfo(records, { byteOrder, recordSize, unit: 'bytes' }))
      sectionOf(name).functions.push(record);
  }
  for (const { name, records, recordSize } of groups(view, 16, headerLength, little, strings)) {
    for (const record of decodeLineInfo(records, strings, { byteOrder, recordSize, unit: 'bytes' }))
      sectionOf(name).lines.push(record);
  }
  return [...sections.values()];
}

/** The records of each section, out of the part of `.BTF.ext` whose offset and length are at `field` of the header. */
function* groups(
  view: DataView,
  field: number,
  headerLength: number,
  little: boolean,
  strings: StringTable,
): IterableIterator<{ name: string; records: Uint8Array; recordSize: number }> {
  const start = headerLength + view.getUint32(field, little);
  const end = start + view.getUint32(field + 4, little);
  if (end > view.byteLength) throw malformed(`.BTF.ext ends before its records do`, field);
  if (start === end) return;
  if (start + 4 > end) throw malformed('records of .BTF.ext have no size', field);
  const recordSize = view.getUint32(start, little);
  for (let at = start + 4; at < end;) {
    if (at + 8 > end) throw malformed('a section of .BTF.ext is cut off', at);
    const name = strings.at(view.getUint32(at, little));
    const length = view.getUint32(at + 4, little) * recordSize;
    if (at + 8 + length > end) throw malformed(`the records of section ${name} are cut off`, at);
    yield { name, records: new Uint8Array(view.buffer, view.byteOffset + at + 8, length), recordSize };
    at += 8 + length;
  }
}

function malformed(message: string, byteOffset: number): BpfAsmError {
  return new BpfAsmError('ERR_BTF', message, { byteOffset });
}
