import type { Instruction, SourcePosition, Target } from '../isa/index.ts';

/** A name for the instruction that follows. */
export interface Label {
  readonly kind: 'label';
  readonly name: string;
  /** The instruction that follows starts a function. So does every target of a local call, whether it says so or not. */
  readonly isFunction: boolean;
  /** The place in the author's source that asked for it. */
  readonly source?: SourcePosition;
}

/** What a program is written as before linking: instructions and the labels between them. */
export type Item = Instruction<Target> | Label;

/** Names the instruction that follows. */
export function label(name: string): Label {
  return { kind: 'label', name, isFunction: false };
}

/** Names the function that the instruction that follows starts. */
export function func(name: string): Label {
  return { kind: 'label', name, isFunction: true };
}
