import type { Instruction, Program, SourcePosition } from 'bpf-asm';
import { readFileSync } from 'node:fs';

/**
 * The program with the text of each line that wrote an instruction, read from its file, so that the verifier's log quotes it. Positions that
 * have a text keep it; a file or line that cannot be read leaves its positions as they are.
 */
export function withSourceText(program: Program): Program {
  const files = new Map<string, readonly string[]>();
  const linesOf = (file: string): readonly string[] => {
    const lines = files.get(file) ?? readLines(file);
    files.set(file, lines);
    return lines;
  };
  const told = (instruction: Instruction): Instruction => {
    const { source } = instruction;
    if (source === undefined || source.text !== undefined) return instruction;
    const text = linesOf(source.file)[source.line - 1]?.trim();
    return text === undefined ? instruction : { ...instruction, source: { ...source, text } satisfies SourcePosition };
  };
  return { ...program, instructions: program.instructions.map(told) };
}

function readLines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
