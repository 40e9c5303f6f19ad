import { NetlinkTcError, systemError } from '../error.ts';
import type { Mapping, Poll, Sys } from '../sys/index.ts';
import type { Codec } from './codec.ts';
import { eventQueue, type EventStream } from './event-queue.ts';
import type { MapDefinition } from 'bpf-asm';

/** `BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT`, `BPF_RINGBUF_HDR_SZ` of Linux' include/uapi/linux/bpf.h. */
const BUSY = 1 << 31;
const DISCARD = 1 << 30;
const HEADER = 8;

/** Options of {@link openRingBuffer}. */
export interface RingBufferOptions<T> {
  /** How records become values: the layout of what the program submits. Without it they are bytes. */
  readonly layout?: Pick<Codec<T>, 'size' | 'read'>;
  /** Most records waiting for the reader; what comes then is counted in `dropped`. Default 65536. */
  readonly capacity?: number;
}

/**
 * The reading end of a ring buffer (5.8): an async iterable of records. It is woken by Node's loop, has no thread, and keeps the
 * process running until it is closed. What the program could not reserve because the ring was full, only the program can count.
 */
export interface RingBuffer<T> extends EventStream<T> {
  /**
   * Reads all records that are there, at once, without waiting.
   * @param each is given the ring's own memory, which the kernel reuses afterwards: copy what is to be kept
   * @param limit most records to read
   * @returns how many there were, discarded ones not counted
   */
  drain(each: (bytes: Uint8Array, from: number, length: number) => void, limit?: number): number;
  /** Bytes that are waiting in the ring, headers included. */
  readonly available: number;
}

/**
 * Opens the reading end of a ring buffer map. There may be one reader only.
 * @example
 * ```ts
 * using events = openRingBuffer(sys, map, { layout: Event });
 * for await (const event of events) console.log(event.pid);
 * ```
 */
export function openRingBuffer<T = Uint8Array>(
  sys: Sys,
  map: { readonly fd: number; readonly definition: MapDefinition },
  options: RingBufferOptions<T> = {},
): RingBuffer<T> {
  const { name, type, maxEntries: size } = map.definition;
  if (type !== 'ringbuf') {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `map ${name} is a ${type}, not a ring buffer`);
  }
  const { layout, capacity } = options;
  const consumer = mapped(sys, map.fd, 0, sys.pageSize, true, name);
  let producer: Mapping;
  try {
    // The data lies there twice in a row, so that a record never wraps.
    producer = mapped(sys, map.fd, sys.pageSize, sys.pageSize + 2 * size, false, name);
  } catch (error) {
    consumer.unmap();
    throw error;
  }
  const ring = new Ring(consumer, producer, sys.pageSize, size, sys.platform.littleEndian);
  const decode = (bytes: Uint8Array, from: number, length: number): T => {
    if (layout === undefined) return bytes.slice(from, from + length) as T;
    if (length < layout.size) {
      throw new NetlinkTcError(
        'ERR_PROTOCOL',
        `a record of ring buffer ${name} has ${length} bytes, its layout ${layout.size}`,
      );
    }
    return layout.read(bytes, from);
  };
  let poll: Poll | undefined;
  const queue = eventQueue<T>({
    ...(capacity === undefined ? {} : { capacity }),
    start(): void {
      const take = (): void => {
        try {
          ring.drain((bytes, from, length) => queue.push(() => decode(bytes, from, length)), Number.MAX_SAFE_INTEGER);
        } catch (error) {
          queue.fail(error);
        }
      };
      poll ??= sys.poll(map.fd, take);
      take();
    },
    stop(): void {
      poll?.close();
      poll = undefined;
      ring.close();
    },
  });
  const { stream } = queue;
  return {
    get dropped(): number {
      return stream.dropped;
    },
    get available(): number {
      return ring.available;
    },
    drain: (each, limit = Number.MAX_SAFE_INTEGER): number => ring.drain(each, limit),
    events: stream.events,
    close: stream.close,
    [Symbol.asyncIterator]: stream[Symbol.asyncIterator],
    [Symbol.dispose]: stream.close,
  };
}

function mapped(sys: Sys, fd: number, offset: number, length: number, writable: boolean, name: string): Mapping {
  const mapping = sys.mmap({ fd, offset, length, writable });
  if (typeof mapping !== 'number') return mapping;
  throw systemError(mapping, 'mmap', `cannot map ring buffer ${name}`);
}

/**
 * The shared memory: a page with the reader's position, a page with the writer's, the data twice. Positions only grow; they are
 * 64 bits in the kernel, of which a double holds 2^53 exactly.
 */
class Ring {
  readonly #position: BigUint64Array;
  readonly #written: BigUint64Array;
  readonly #data: Uint8Array;
  readonly #headers: DataView;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #little: boolean;
  readonly #unmap: () => void;
  #read: number;
  #open = true;

  constructor(consumer: Mapping, producer: Mapping, pageSize: number, size: number, little: boolean) {
    this.#position = new BigUint64Array(consumer.bytes.buffer, consumer.bytes.byteOffset, 1);
    this.#written = new BigUint64Array(producer.bytes.buffer, producer.bytes.byteOffset, 1);
    this.#data = producer.bytes.subarray(pageSize);
    this.#headers = new DataView(this.#data.buffer, this.#data.byteOffset, this.#data.byteLength);
    this.#words = new Int32Array(this.#data.buffer, this.#data.byteOffset, this.#data.byteLength >> 2);
    this.#mask = size - 1;
    this.#little = little;
    this.#read = Number(Atomics.load(this.#position, 0));
    this.#unmap = () => {
      consumer.unmap();
      producer.unmap();
    };
  }

  get available(): number {
    this.#assertOpen();
    return Number(Atomics.load(this.#written, 0)) - this.#read;
  }

  drain(each: (bytes: Uint8Array, from: number, length: number) => void, limit: number): number {
    this.#assertOpen();
    let count = 0;
    let read = this.#read;
    let end = Number(Atomics.load(this.#written, 0));
    try {
      while (count < limit) {
        if (read >= end) {
          end = Number(Atomics.load(this.#written, 0));
          if (read >= end) break;
        }
        const at = read & this.#mask;
        // The load is atomic so that the record is read after its header says that it is whole.
        const header = Atomics.load(this.#words, at >> 2);
        if ((header & BUSY) !== 0) break;
        const length = this.#headers.getUint32(at, this.#little) & ~(BUSY | DISCARD);
        // The position moves first: a callback that throws has had its record.
        read += (HEADER + length + 7) & ~7;
        if ((header & DISCARD) !== 0) continue;
        count += 1;
        each(this.#data, at + HEADER, length);
        if (!this.#open) return count;
      }
    } finally {
      if (this.#open && read !== this.#read) {
        this.#read = read;
        Atomics.store(this.#position, 0, BigInt(read));
      }
    }
    return count;
  }

  close(): void {
    if (this.#open) this.#unmap();
    this.#open = false;
  }

  #assertOpen(): void {
    if (!this.#open) throw new NetlinkTcError('ERR_CLOSED', 'the ring buffer is closed');
  }
}
