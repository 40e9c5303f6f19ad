import type { MapDefinition, Program } from '../asm/index.ts';
import type { Btf } from '../btf/index.ts';
import type { ByteOrder } from '../isa/index.ts';

/** A program of an object file. */
export interface ObjectProgram extends Program {
  /** Name of its section, which tells tools what it is: `tc`, `classifier/from-pod`, `tracepoint/syscalls/sys_enter_open`. */
  readonly section: string;
}

/** What is in an object file. */
export interface ObjectFile {
  readonly byteOrder: ByteOrder;
  /** Licence; empty where the file names none. */
  readonly licence: string;
  /** Programs, each with the functions that it calls, in the order of the file. */
  readonly programs: readonly ObjectProgram[];
  /**
   * Every map, used or not. A section of variables is one too, an array of one element by the section's name (`.rodata`, `.data.counts`), which
   * programs name with `map_value`. Layouts of keys and values are not made; `btf` has their types.
   */
  readonly maps: readonly MapDefinition[];
  /** What sections of variables hold at first, by the name of their map; one that is not here (`.bss`) is zero. */
  readonly data: ReadonlyMap<string, Uint8Array>;
  /** Names of the maps that ask to be pinned by name (`LIBBPF_PIN_BY_NAME`). */
  readonly pinned: readonly string[];
  /** Types; absent where the file was made without. */
  readonly btf?: Btf;
}
