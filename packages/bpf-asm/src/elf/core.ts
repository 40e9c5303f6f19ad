import type { Btf } from '../btf/index.ts';
import { BpfAsmError } from '../error.ts';

/** What a CO-RE relocation asks for, by its number (`enum bpf_core_relo_kind`). */
const KIND = [
  'byte offset',
  'byte size',
  'existence',
  'signedness',
  'left shift',
  'right shift',
  'local type id',
  'target type id',
  'existence of type',
  'size of type',
  'existence of value',
  'value',
  'match of type',
] as const;

/** How many are named in the error. */
const SHOWN = 4;

/**
 * Refuses a `.BTF.ext` with CO-RE relocations: they are about a kernel's types, and an object with some of them left out would read the wrong bytes.
 *
 * @throws BpfAsmError `ERR_UNSUPPORTED` naming them, `ERR_BTF` when they make no sense.
 */
export function refuseCoreRelocations(bytes: Uint8Array, btf: Btf): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = btf.byteOrder === 'little';
  // The oldest header has no such fields.
  if (bytes.length < 32) return;
  const header = view.getUint32(4, little);
  const length = header < 32 ? 0 : view.getUint32(28, little);
  if (length === 0) return;
  const start = header + view.getUint32(24, little);
  const end = start + length;
  const cutOff = new BpfAsmError('ERR_BTF', 'the CO-RE relocations of .BTF.ext are cut off', { byteOffset: 24 });
  if (end > bytes.length || length < 4) throw cutOff;
  const size = view.getUint32(start, little);
  const named: string[] = [];
  let count = 0;
  for (let at = start + 4; at < end;) {
    if (at + 8 > end || size < 16) throw cutOff;
    const section = btf.strings.at(view.getUint32(at, little));
    const records = view.getUint32(at + 4, little);
    if (at + 8 + records * size > end) throw cutOff;
    for (let i = 0; i < records && named.length < SHOWN; i++) {
      const record = at + 8 + i * size;
      const [offset = 0, type = 0, access = 0, kind = 0] = [0, 4, 8, 12].map((field) =>
        view.getUint32(record + field, little),
      );
      const target = type === 0 ? undefined : btf.type(type);
      const name = target !== undefined && 'name' in target ? target.name : `type ${type}`;
      named.push(
        `${KIND[kind] ?? `kind ${kind}`} of ${name} (${btf.strings.at(access)}) at byte ${offset} of ${section}`,
      );
    }
    count += records;
    at += 8 + records * size;
  }
  if (count === 0) return;
  throw new BpfAsmError(
    'ERR_UNSUPPORTED',
    `the object has ${count} CO-RE relocations: ${named.join(', ')}${count > named.length ? ', …' : ''}`,
    { hint: 'compile without preserve_access_index and BPF_CORE_READ' },
  );
}
