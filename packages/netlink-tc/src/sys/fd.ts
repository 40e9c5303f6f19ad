import { NetlinkTcError } from '../error.ts';

/** A file descriptor that nobody has closed yet. */
export interface OpenFd {
  readonly fd: number;
  /** What it is, in the words of who opened it: `map counters`. */
  readonly what: string;
  /** Where it was opened; only where the table traces. */
  readonly stack: string | undefined;
}

/**
 * Who owns which file descriptor of one {@link Sys}. Garbage collection closes nothing: a forgotten descriptor keeps its
 * object alive, and the process is told by a warning with the code `NETLINK_TC_LEAK`.
 */
export class FdTable {
  readonly #open = new Map<number, OpenFd>();
  readonly #close: (fd: number) => void;
  readonly #trace: boolean;
  readonly #forgotten = new FinalizationRegistry<OpenFd>((entry) => {
    if (this.#open.get(entry.fd) !== entry) return;
    process.emitWarning(`${entry.what} (fd ${entry.fd}) was forgotten without close()`, {
      code: 'NETLINK_TC_LEAK',
      detail: entry.stack ?? 'open the system with { traceFds: true } to see where it was opened',
    });
  });

  /**
   * @param close closes the descriptor in the kernel
   * @param trace whether to keep the stack of every opening; costs some microseconds each
   */
  constructor(close: (fd: number) => void, trace: boolean) {
    this.#close = close;
    this.#trace = trace;
  }

  /**
   * Takes ownership of a descriptor that a system call has just returned.
   * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` if it has an owner already: someone closed it behind that owner's back
   */
  own(fd: number, what: string): Fd {
    const other = this.#open.get(fd);
    if (other !== undefined) {
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `fd ${fd} (${what}) already belongs to ${other.what}`, {
        hint: 'something closed the descriptor without asking its owner',
      });
    }
    const entry: OpenFd = { fd, what, stack: this.#trace ? new Error(`${what} opened`).stack : undefined };
    this.#open.set(fd, entry);
    const owner = new Fd(fd, what, (close) => {
      this.#open.delete(fd);
      this.#forgotten.unregister(entry);
      if (close) this.#close(fd);
    });
    this.#forgotten.register(owner, entry, entry);
    return owner;
  }

  /** What is open now. Empty at the end of a test that closes all it opens. */
  open(): readonly OpenFd[] {
    return [...this.#open.values()];
  }
}

/** The one owner of a file descriptor. Made by {@link FdTable.own}. */
export class Fd implements Disposable {
  /** What it is. */
  readonly what: string;
  readonly #fd: number;
  #end: ((close: boolean) => void) | undefined;

  constructor(fd: number, what: string, end: (close: boolean) => void) {
    this.#fd = fd;
    this.what = what;
    this.#end = end;
  }

  /**
   * The descriptor's number, for a system call.
   * @throws NetlinkTcError `ERR_CLOSED` after `close` or `release`
   */
  get number(): number {
    this.assertOpen();
    return this.#fd;
  }

  /** @throws NetlinkTcError `ERR_CLOSED` after `close` or `release` */
  assertOpen(): void {
    if (this.#end === undefined) throw new NetlinkTcError('ERR_CLOSED', `${this.what} is closed`);
  }

  /** Whether it was closed or released. */
  get closed(): boolean {
    return this.#end === undefined;
  }

  /** Closes it. A second call does nothing. */
  close(): void {
    this.#finish(true);
  }

  /** Gives the number away, open: whoever takes it closes it. */
  release(): number {
    const fd = this.number;
    this.#finish(false);
    return fd;
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #finish(close: boolean): void {
    const end = this.#end;
    this.#end = undefined;
    end?.(close);
  }
}
