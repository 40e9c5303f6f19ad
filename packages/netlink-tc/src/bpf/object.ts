import type { Fd } from '../sys/index.ts';

/** What a descriptor of bpf(2) can be. */
export type ObjectKind = 'map' | 'program' | 'link' | 'btf';

/** An object of the kernel that was opened by its id or pin, owned. */
export class BpfObject implements Disposable {
  readonly kind: ObjectKind;
  readonly #fd: Fd;

  constructor(kind: ObjectKind, fd: Fd) {
    this.kind = kind;
    this.#fd = fd;
  }

  /** The file descriptor, still owned by this object. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.#fd.number;
  }

  /** Gives the descriptor to another owner. */
  take(): Fd {
    return this.#fd;
  }

  /** Closes the descriptor. A second call does nothing. */
  close(): void {
    this.#fd.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
