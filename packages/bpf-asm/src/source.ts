/** The place in an author's source that asked for an instruction. Goes into `line_info`, listings, lint and traps. */
export interface SourcePosition {
  /** Path of the file, as the author would write it. */
  readonly file: string;
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1; 0 where it is not known. */
  readonly column: number;
  /** Text of the line, where it is known. */
  readonly text?: string;
}
