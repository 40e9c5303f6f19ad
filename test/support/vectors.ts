import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeWith, file } from './needs.ts';

/** One case of the public conformance suite (github.com/Alan-Jowett/bpf_conformance), as `shared/vectors` holds it. */
export interface ConformanceCase {
  readonly name: string;
  readonly kind: 'positive' | 'negative';
  /** The program in the suite's own dialect. */
  readonly asm?: string;
  /** The program encoded, in hexadecimal, little endian. */
  readonly insns?: string;
  /** Bytes that make up a negative case which no assembler writes, in hexadecimal. */
  readonly raw_bytes?: string;
  /** The memory that `r1` leads to, in hexadecimal. */
  readonly mem?: string;
  /** What `r0` holds at the end, in hexadecimal with `0x`. */
  readonly result?: string;
  /** What is wrong with the text, where an assembler must refuse it. */
  readonly assembler_error?: string;
  /** First version of the instruction set that has all of it. */
  readonly cpu_version?: string;
}

/** One row of the opcode table of RFC 9669. */
export interface OpcodeRow {
  readonly opcode: number;
  readonly src: number | 'any';
  readonly offset: number | 'any';
  readonly imm: number | 'any';
  readonly description: string;
  readonly group: string;
}

const path = (name: string): string => fileURLToPath(new URL(`../../../shared/vectors/${name}`, import.meta.url));
const read = (name: string): unknown => JSON.parse(readFileSync(path(name), 'utf8'));

/** A group of tests over the conformance cases, which lie beside the repository; without them it is skipped, and fails in CI. */
export function describeConformance(name: string, body: (cases: readonly ConformanceCase[]) => void): void {
  const vectors = 'conformance.json';
  describeWith([file(path(vectors))], name, () => body(read(vectors) as ConformanceCase[]));
}

/** A group of tests over the opcode table of RFC 9669 and the rows that it lacks, which lie beside the repository. */
export function describeOpcodes(name: string, body: (rows: readonly OpcodeRow[]) => void): void {
  const vectors = 'rfc9669-opcodes.json';
  describeWith([file(path(vectors))], name, () => {
    const table = read(vectors) as { appendix: OpcodeRow[]; missing_from_appendix: OpcodeRow[] };
    body([...table.appendix, ...table.missing_from_appendix]);
  });
}
