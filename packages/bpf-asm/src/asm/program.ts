import type { Instruction } from '../isa/index.ts';
import type { AnyLayout } from '../layout/index.ts';
import type { AttachType, MapType, ProgramType } from './kernel-types.ts';

/** What a map is, before it exists. A pure value: the loader makes a kernel map of it, the interpreter one of its own. */
export interface MapDefinition {
  /** Name by which instructions refer to it, and which the kernel shows (15 bytes there at most). */
  readonly name: string;
  readonly type: MapType;
  /** Size of a key in bytes; 0 for maps without keys (ring buffer, queue, stack). */
  readonly keySize: number;
  /** Size of a value in bytes, of one CPU's where the type is per-CPU; 0 for a ring buffer. */
  readonly valueSize: number;
  /** Most entries it can hold; the size in bytes, a power of two of whole pages, for a ring buffer. */
  readonly maxEntries: number;
  /** Bits of {@link MAP_FLAG}. */
  readonly flags?: number;
  /** How a key's bytes are laid out; its size is `keySize`. */
  readonly key?: AnyLayout;
  /** How a value's bytes are laid out; its size is `valueSize`. */
  readonly value?: AnyLayout;
  /** What the maps in a map of maps are. */
  readonly inner?: MapDefinition;
}

/** A function of a program: its name, and the index of its first instruction. */
export interface FunctionSymbol {
  readonly name: string;
  readonly index: number;
}

/**
 * A program that is ready to load once its maps exist. A pure value: same input, same bytes, on any machine. The first function
 * is the program itself; the functions that it calls follow.
 */
export interface Program {
  /** What `bpftool prog` and `tc filter show` print (15 bytes at most in the kernel). */
  readonly name: string;
  readonly type: ProgramType;
  /** Attach type that the program is verified for, where its type has several. */
  readonly expectedAttachType?: AttachType;
  /** Licence, as the kernel compares it: helpers marked GPL-only ask for a GPL-compatible one. */
  readonly licence: string;
  /** Linked instructions: jumps are numbers, maps are named. */
  readonly instructions: readonly Instruction[];
  /** Functions in the order of their first instruction; the first has index 0. */
  readonly functions: readonly FunctionSymbol[];
  /** Every map that the instructions name. */
  readonly maps: readonly MapDefinition[];
}
