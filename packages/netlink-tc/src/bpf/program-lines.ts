import { decodeLineInfo, readBtf, type LineInfo } from 'bpf-asm';
import type { Sys } from '../sys/index.ts';
import { readBtfInfo } from './btf.ts';
import { openById } from './ids.ts';
import { readProgramCode, readProgramInfo } from './program-info.ts';

/**
 * Reads which source lines the instructions of a program in the kernel come from (5.0): one record where a line begins, its slot counted in
 * the instructions as the verifier rewrote them. Nothing for a program that was loaded without, or for who may not see its code.
 */
export function readProgramLines(sys: Sys, fd: number): readonly LineInfo[] {
  const { lineInfo } = readProgramCode(sys, fd);
  if (lineInfo.length === 0) return [];
  using btf = openById(sys, 'btf', readProgramInfo(sys, fd).btfId);
  if (btf === undefined) return [];
  const byteOrder = sys.platform.littleEndian ? 'little' : 'big';
  return decodeLineInfo(lineInfo, readBtf(readBtfInfo(sys, btf.fd).bytes).strings, { byteOrder });
}
