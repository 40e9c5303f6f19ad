import type { Fd, Sys } from '../sys/index.ts';
import { MAP_BATCH, MAP_BATCH_SIZE, MAP_ELEM, MAP_ELEM_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, type BpfCommand } from './command.ts';

/** Commands on many elements at once (5.6). */
export type BatchCommand = Extract<BpfCommand, `${string}_BATCH`>;

/** What a batch did: the result of the call and how many elements it got through. */
export interface BatchResult {
  readonly result: number;
  readonly count: number;
}

/**
 * A map as bpf(2) sees it: keys and values are bytes in buffers that live as long as the map, whose addresses stand in one
 * prepared structure. A call allocates nothing; it returns the negative error number.
 */
export class RawMap {
  readonly fd: Fd;
  /** The key of the next call: write it here. */
  readonly key: Uint8Array;
  /** The value of the next update, and of the last look-up. */
  readonly value: Uint8Array;
  /** The key that {@link nextKey} found. */
  readonly next: Uint8Array;
  readonly #sys: Sys;
  readonly #elem: Attr;
  readonly #removal: Attr;
  readonly #walk: Attr;
  readonly #elemAt: number;
  readonly #removalAt: number;
  #batch: Attr | undefined;
  readonly #held: (Uint8Array | undefined)[] = [];

  /**
   * @param keySize bytes of a key; 0 for maps without keys
   * @param valueSize bytes of a value as calls move it: of all CPUs for per-CPU maps
   */
  constructor(sys: Sys, fd: Fd, keySize: number, valueSize: number) {
    this.#sys = sys;
    this.fd = fd;
    this.key = new Uint8Array(keySize);
    this.value = new Uint8Array(valueSize);
    this.next = new Uint8Array(keySize);
    const elem = (): Attr =>
      new Attr(sys, MAP_ELEM_SIZE).u32(MAP_ELEM.map_fd, fd.number).pointer(MAP_ELEM.key, this.key);
    // The kernel refuses a deletion that carries a value.
    this.#removal = elem();
    this.#elem = elem().pointer(MAP_ELEM.value, this.value);
    this.#walk = elem().pointer(MAP_ELEM.next_key, this.next);
    this.#elemAt = Number(sys.addressOf(this.#elem.bytes));
    this.#removalAt = Number(sys.addressOf(this.#removal.bytes));
  }

  /** Reads the value of `key` into `value`. */
  lookup(): number {
    return this.#run(BPF_COMMAND.BPF_MAP_LOOKUP_ELEM);
  }

  /** Reads and deletes: hashes from 5.14, queues and stacks from 4.20. */
  lookupAndDelete(): number {
    return this.#run(BPF_COMMAND.BPF_MAP_LOOKUP_AND_DELETE_ELEM);
  }

  /** Sets `key` to `value`. */
  update(flags: bigint): number {
    if (flags === 0n) return this.#run(BPF_COMMAND.BPF_MAP_UPDATE_ELEM);
    this.#elem.u64(MAP_ELEM.flags, flags);
    const result = this.#run(BPF_COMMAND.BPF_MAP_UPDATE_ELEM);
    this.#elem.u64(MAP_ELEM.flags, 0n);
    return result;
  }

  /** Deletes `key`. The kernel refuses flags here. */
  delete(): number {
    this.fd.assertOpen();
    return this.#sys.bpfAt(BPF_COMMAND.BPF_MAP_DELETE_ELEM, this.#removalAt, MAP_ELEM_SIZE);
  }

  /** Finds the key after `key`, or the first where `fromStart`. A key that is gone counts as no key: the walk starts again. */
  nextKey(fromStart: boolean): number {
    this.fd.assertOpen();
    this.#walk.u64(MAP_ELEM.key, fromStart ? 0n : this.#elem.getU64(MAP_ELEM.key));
    return this.#sys.bpf(BPF_COMMAND.BPF_MAP_GET_NEXT_KEY, this.#walk.bytes);
  }

  /**
   * One command on many elements.
   * @param keys room for `count` keys
   * @param values room for `count` values; empty for a deletion
   * @param options `from` is where to go on, `to` where the kernel writes where to go on next: two buffers, it may not be one
   */
  batch(
    command: BatchCommand,
    keys: Uint8Array,
    values: Uint8Array,
    count: number,
    options: { readonly from?: Uint8Array; readonly to?: Uint8Array; readonly flags?: bigint } = {},
  ): BatchResult {
    const { from, to, flags = 0n } = options;
    // What the kernel is given addresses of must not be collected before it has returned.
    this.#held.push(keys, values, from, to);
    const attr = (this.#batch ??= new Attr(this.#sys, MAP_BATCH_SIZE).u32(MAP_BATCH.map_fd, this.fd.number));
    this.fd.assertOpen();
    const address = (bytes: Uint8Array | undefined): bigint =>
      bytes === undefined || bytes.byteLength === 0 ? 0n : this.#sys.addressOf(bytes);
    attr.u64(MAP_BATCH.in_batch, address(from)).u64(MAP_BATCH.out_batch, address(to));
    attr.u64(MAP_BATCH.keys, address(keys)).u64(MAP_BATCH.values, address(values));
    attr.u32(MAP_BATCH.count, count).u64(MAP_BATCH.elem_flags, flags);
    const result = this.#sys.bpf(BPF_COMMAND[command], attr.bytes);
    this.#held.length = 0;
    return { result, count: attr.getU32(MAP_BATCH.count) };
  }

  #run(command: number): number {
    // Once the map is closed, its number may be another's.
    this.fd.assertOpen();
    return this.#sys.bpfAt(command, this.#elemAt, MAP_ELEM_SIZE);
  }
}
