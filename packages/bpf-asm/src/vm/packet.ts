import type { Memory } from './memory.ts';
import { Region } from './region.ts';

/** Free bytes before and after a packet that is given to a program (`XDP_PACKET_HEADROOM`). */
const HEADROOM = 256;
const TAILROOM = 256;

/** Bytes of an Ethernet header, which no helper takes off. */
export const ETH_HLEN = 14;

/** The largest packet that helpers make (`BPF_SKB_MAX_LEN` is of this order). */
export const MAX_PACKET = 0xffff;

/**
 * A packet: bytes with room around them. Programs see it through a region; a helper that may move the packet gives it a new
 * one, after which pointers into the old one trap, as the verifier forgets them.
 */
export class PacketBuffer {
  readonly #memory: Memory;
  #bytes: Uint8Array;
  #meta: number;
  #data: number;
  #end: number;
  /** Bytes that can be reached directly; the rest only by helpers. */
  #linear: number;
  #region: Region | undefined;

  /**
   * @param packet - the bytes; they are copied.
   * @param linear - how many of them can be reached directly.
   */
  constructor(memory: Memory, packet: Uint8Array, linear: number) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(HEADROOM + packet.length + TAILROOM);
    this.#bytes.set(packet, HEADROOM);
    this.#meta = this.#data = HEADROOM;
    this.#end = HEADROOM + packet.length;
    this.#linear = Math.min(linear, packet.length);
  }

  get length(): number {
    return this.#end - this.#data;
  }

  /** Bytes that can be reached directly. */
  get linear(): number {
    return this.#linear;
  }

  /** Where a pointer field of the context points. */
  address(name: string): { readonly region: Region; readonly offset: number } {
    const region = (this.#region ??= new Region('packet', this.#bytes, {
      start: this.#meta,
      end: this.#data + this.#linear,
    }));
    const offset = name === 'data_meta' ? region.start : name === 'data' ? this.#data : region.end;
    return { region, offset };
  }

  /** A view of bytes; nothing where the packet does not have them. */
  slice(offset: number, size: number): Uint8Array | undefined {
    if (offset < 0 || offset + size > this.length) return undefined;
    return this.#bytes.subarray(this.#data + offset, this.#data + offset + size);
  }

  /** A number in network byte order; nothing where the packet does not have its bytes. */
  bigEndian(offset: number, size: number): number | undefined {
    return this.slice(offset, size)?.reduce((value, byte) => (value << 8) | byte, 0);
  }

  /** A copy of the packet. */
  snapshot(): Uint8Array {
    return this.#bytes.slice(this.#data, this.#end);
  }

  /** Makes pointers into the packet invalid: a helper may have moved it. */
  changed(): void {
    if (this.#region === undefined) return;
    this.#memory.retire(this.#region, 'the packet before a helper changed it');
    this.#region = undefined;
  }

  /** Has at least `size` bytes within direct reach. */
  pull(size: number): void {
    this.#linear = Math.max(this.#linear, size);
    this.changed();
  }

  /** Takes `removed` bytes out at `offset` and puts `inserted` zeroes there. */
  splice(offset: number, removed: number, inserted: number): void {
    const before = this.slice(0, offset) as Uint8Array;
    const after = this.slice(offset + removed, this.length - offset - removed) as Uint8Array;
    const bytes = new Uint8Array(HEADROOM + before.length + inserted + after.length + TAILROOM);
    bytes.set(before, HEADROOM);
    bytes.set(after, HEADROOM + before.length + inserted);
    this.#bytes = bytes;
    this.#linear =
      offset < this.#linear ? Math.max(this.#linear + inserted - removed, offset + inserted) : this.#linear;
    this.#meta = this.#data = HEADROOM;
    this.#end = bytes.length - TAILROOM;
    this.#linear = Math.min(this.#linear, this.length);
    this.changed();
  }

  /** Moves the beginning, as `bpf_xdp_adjust_head` does; false where there is no such place. */
  moveHead(delta: number): boolean {
    const meta = this.#data - this.#meta;
    const data = this.#data + delta;
    if (data < meta || data > this.#end - ETH_HLEN) return false;
    // Metadata moves along, as in the kernel.
    if (meta > 0) this.#bytes.copyWithin(data - meta, this.#meta, this.#data);
    this.#meta = data - meta;
    this.#data = data;
    this.#linear -= delta;
    this.changed();
    return true;
  }

  /** Moves the beginning of the metadata, as `bpf_xdp_adjust_meta` does; false where there is no such place. */
  moveMeta(delta: number): boolean {
    const meta = this.#meta + delta;
    const size = this.#data - meta;
    if (meta < 0 || size < 0 || size % 4 !== 0 || size > 252) return false;
    this.#meta = meta;
    this.changed();
    return true;
  }

  /** Moves the end, as `bpf_xdp_adjust_tail` does; false where there is no such place. */
  moveTail(delta: number): boolean {
    const end = this.#end + delta;
    if (end > this.#bytes.length || end < this.#data + ETH_HLEN) return false;
    if (delta > 0) this.#bytes.fill(0, this.#end, end);
    this.#end = end;
    this.#linear = Math.min(Math.max(this.#linear + delta, 0), this.length);
    this.changed();
    return true;
  }
}
