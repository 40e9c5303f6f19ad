import { constants } from 'node:os';
import type { Sys } from '../sys/index.ts';
import { LITTLE_ENDIAN } from './host.ts';
import { SOCKADDR_NL } from './socket-options.ts';

const MSG_PEEK = 2;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const { EINTR } = constants.errno;

/** A datagram: from which port it came (0 is the kernel), and its bytes, a view that holds until the next one is read. */
export interface Datagram {
  readonly sender: number;
  readonly bytes: Uint8Array;
}

/**
 * Reads whole datagrams of a netlink socket. Each is looked at before it is taken, with its true length, and the buffer grown
 * where it does not fit: nothing is ever cut.
 */
export class Receiver {
  readonly #sys: Sys;
  // Dumps fill what the largest buffer they have seen holds, up to 32 KiB.
  #buffer: Uint8Array = new Uint8Array(32 * 1024);
  readonly #address: Uint8Array = new Uint8Array(SOCKADDR_NL);
  readonly #addressView: DataView = new DataView(this.#address.buffer);
  readonly #addressLength: Uint8Array = new Uint8Array(4);

  constructor(sys: Sys) {
    this.#sys = sys;
    new DataView(this.#addressLength.buffer).setUint32(0, SOCKADDR_NL, LITTLE_ENDIAN);
  }

  /** The next datagram, or the negative error number: EAGAIN where none has come. */
  receive(fd: number): Datagram | number {
    let length = this.#call(fd, this.#buffer.length, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    while (length > this.#buffer.length) {
      this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
      length = this.#call(fd, this.#buffer.length, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    }
    if (length < 0) return length;
    const sender = this.#addressView.getUint32(4, LITTLE_ENDIAN);
    // Looked at in full: taking it needs no second copy.
    const taken = this.#call(fd, 0, MSG_DONTWAIT);
    return taken < 0 ? taken : { sender, bytes: this.#buffer.subarray(0, length) };
  }

  #call(fd: number, size: number, flags: number): number {
    for (;;) {
      const result = this.#sys.call('recvfrom', fd, this.#buffer, size, flags, this.#address, this.#addressLength);
      if (result !== -EINTR) return result;
    }
  }
}
