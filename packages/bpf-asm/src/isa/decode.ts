import { BpfAsmError } from '../error.ts';
import { isLittle, type CodecOptions } from './byte-order.ts';
import { instructionFromFields, type Fields } from './fields.ts';
import type { Instruction } from './instruction.ts';
import { OPCODE_LD_IMM64 } from './opcode.ts';

/**
 * Decodes instructions. Total: every sequence of whole slots has a value, and `encode(decode(bytes))` is `bytes`. What is no
 * instruction of RFC 9669 or Linux becomes a raw one that keeps every field.
 *
 * @param bytes - encoded instructions, eight bytes a slot.
 * @param options - the byte order.
 * @throws BpfAsmError `ERR_INVALID_LENGTH` when the length is not a multiple of 8.
 */
export function decode(bytes: Uint8Array, options: CodecOptions = {}): Instruction[] {
  const little = isLittle(options);
  if (!ArrayBuffer.isView(bytes)) {
    throw new BpfAsmError('ERR_INVALID_ARGUMENT', 'the bytes are not a Uint8Array', { field: 'bytes' });
  }
  if (bytes.byteLength % 8 !== 0) {
    throw new BpfAsmError(
      'ERR_INVALID_LENGTH',
      `${bytes.byteLength} bytes are not a whole number of 8-byte instruction slots`,
      {
        byteOffset: bytes.byteLength - (bytes.byteLength % 8),
      },
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const instructions: Instruction[] = [];
  for (let at = 0; at < bytes.byteLength; at += 8) {
    const fields = readSlot(view, at, little);
    const wide = fields.opcode === OPCODE_LD_IMM64 && at + 8 < bytes.byteLength;
    const instruction = instructionFromFields(fields, wide ? readSlot(view, at + 8, little) : undefined);
    if (instruction.kind === 'ld_imm64') at += 8;
    instructions.push(instruction);
  }
  return instructions;
}

function readSlot(view: DataView, at: number, little: boolean): Fields {
  const registers = view.getUint8(at + 1);
  return {
    opcode: view.getUint8(at),
    dst: little ? registers & 0xf : registers >> 4,
    src: little ? registers >> 4 : registers & 0xf,
    offset: view.getInt16(at + 2, little),
    imm: view.getInt32(at + 4, little),
  };
}
