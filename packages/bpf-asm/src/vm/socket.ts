import { Context, SOCK, type ContextValues } from './contexts/index.ts';
import { Region } from './region.ts';

/** What a program asks for when it looks up a socket. */
export interface SocketQuery {
  readonly helper: 'sk_lookup_tcp' | 'sk_lookup_udp' | 'skc_lookup_tcp';
  readonly family: 4 | 6;
  /** Addresses in network byte order, 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Ports in host order. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The network namespace: an identifier, or -1n for that of the context (`BPF_F_CURRENT_NETNS`). */
  readonly netns: bigint;
}

/** Finds the socket that a program looks up; nothing where there is none. */
export type FindSocket = (query: SocketQuery) => VmSocket | undefined;

/** A socket, as far as programs see it. */
export class VmSocket {
  /** What tests and traps call it. */
  readonly name: string;
  /** What programs may read of it (`struct bpf_sock`). */
  readonly fields: ContextValues;
  /** Its cookie, an unsigned 64-bit number. */
  readonly cookie: bigint;
  readonly #context: Context;

  /**
   * @param name - for tests and traps.
   * @param fields - fields of `struct bpf_sock`; those not given are 0.
   * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when there is no such field.
   */
  constructor(name: string, fields: ContextValues = {}, options: { readonly cookie?: bigint } = {}) {
    this.name = name;
    this.fields = fields;
    this.cookie = options.cookie ?? 0n;
    this.#context = new Context(SOCK, fields, () => undefined);
  }

  /** A field of `struct bpf_sock` that is a 32-bit number. */
  field(name: string): number {
    return this.#context.get(name);
  }

  /** A region that stands for this socket: a new one each time, so that a reference that was given back can be told. */
  reference(): Region {
    return new Region(`socket ${this.name}`, this.#context.region.bytes, { fields: this.#context, object: this });
  }
}
