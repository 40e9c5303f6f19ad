import { instructionFromFields, type Instruction } from '../isa/index.ts';
import type { Scanner } from './scanner.ts';

/** Reads the fields that `rawText` writes, after its first word. Fields of a known instruction give that instruction. */
export function parseRaw(scanner: Scanner): Instruction {
  const opcode = field(scanner, 'code', 0, 0xff);
  const dst = field(scanner, 'dst', 0, 0xf);
  const src = field(scanner, 'src', 0, 0xf);
  const offset = field(scanner, 'off', -0x8000, 0x7fff);
  scanner.expect('imm');
  scanner.expect('=');
  return instructionFromFields({ opcode, dst, src, offset, imm: scanner.s32() });
}

function field(scanner: Scanner, name: string, min: number, max: number): number {
  scanner.expect(name);
  scanner.expect('=');
  return scanner.integer(min, max);
}
