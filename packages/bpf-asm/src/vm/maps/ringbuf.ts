import type { MapDefinition } from '../../asm/program.ts';
import { ERRNO } from '../errno.ts';
import { Region } from '../region.ts';
import { VmMap } from './map.ts';

/** Bytes before each record (`BPF_RINGBUF_HDR_SZ`). */
const HEADER_SIZE = 8;
const PAGE_SIZE = 4096;

type State = 'busy' | 'done' | 'discarded';

/** A record that was reserved. */
interface RingRecord {
  readonly region: Region;
  readonly space: number;
  state: State;
}

/** `BPF_MAP_TYPE_RINGBUF`: `maxEntries` bytes, which the records take with 8 bytes of header each, rounded up to 8. */
export class RingbufMap extends VmMap {
  #records: RingRecord[] = [];
  #producer = 0;
  #consumer = 0;

  constructor(definition: MapDefinition) {
    super(definition);
    this.require(this.keySize === 0 && this.valueSize === 0, 'it has neither keys nor values');
    const size = this.maxEntries;
    this.require(
      size % PAGE_SIZE === 0 && Number.isInteger(Math.log2(size)),
      'its size is a power of two of whole pages',
    );
  }

  /** Makes room for a record of `size` bytes; nothing where there is none. */
  reserve(size: number): Region | undefined {
    const space = (size + HEADER_SIZE + 7) & ~7;
    // As in the kernel, the last byte stays free.
    if (space > this.maxEntries || this.#producer + space - this.#consumer > this.maxEntries - 1) return undefined;
    const region = new Region(`record of map ${this.name}`, new Uint8Array(size), { object: this });
    this.#records.push({ region, space, state: 'busy' });
    this.#producer += space;
    return region;
  }

  /**
   * Hands a reserved record over, or drops it.
   *
   * @returns whether it was reserved.
   */
  finish(region: Region, state: 'done' | 'discarded'): boolean {
    const record = this.#records.find((candidate) => candidate.region === region);
    if (record === undefined || record.state !== 'busy') return false;
    record.state = state;
    return true;
  }

  /** Takes the records that were handed over, up to the first that is still reserved, and frees their room. */
  drain(): Uint8Array[] {
    const drained: Uint8Array[] = [];
    let taken = 0;
    for (const record of this.#records) {
      if (record.state === 'busy') break;
      if (record.state === 'done') drained.push(record.region.snapshot());
      this.#consumer += record.space;
      taken++;
    }
    this.#records = this.#records.slice(taken);
    return drained;
  }

  /** Bytes not taken yet, the size, and the positions of consumer and producer, as `bpf_ringbuf_query` numbers them. */
  query(what: number): number {
    return [this.#producer - this.#consumer, this.maxEntries, this.#consumer, this.#producer][what] ?? 0;
  }

  override lookup(): undefined {
    return undefined;
  }

  override update(): number {
    return -ERRNO.EINVAL;
  }

  override remove(): number {
    return -ERRNO.EINVAL;
  }

  override elements(): Iterable<never> {
    return [];
  }
}
