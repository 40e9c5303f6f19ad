import type { Program } from 'bpf-asm';
import type { Fd } from '../sys/index.ts';
import type { BpfMap } from './map.ts';

/** A map whose keys and values nobody here looks at. */
export type AnyMap = BpfMap<unknown, unknown, never, never>;

/**
 * A program in the kernel, owned, with the maps that were made for it. Closing it does not detach it: links, filters, pins
 * and other descriptors keep it. Made by `loadProgram`.
 */
export class BpfProgram implements Disposable {
  /** What was loaded. */
  readonly program: Program;
  /** The maps it uses, by their names: those that were given, and those that were made (which are closed with it). */
  readonly maps: ReadonlyMap<string, AnyMap>;
  readonly #fd: Fd;
  readonly #made: readonly AnyMap[];

  constructor(fd: Fd, program: Program, maps: ReadonlyMap<string, AnyMap>, made: readonly AnyMap[]) {
    this.#fd = fd;
    this.program = program;
    this.maps = maps;
    this.#made = made;
  }

  /** Name of the program. */
  get name(): string {
    return this.program.name;
  }

  /** The file descriptor, still owned by this program. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.#fd.number;
  }

  /** Closes the program and the maps that were made for it. A second call does nothing. */
  close(): void {
    this.#fd.close();
    for (const map of this.#made) map.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
