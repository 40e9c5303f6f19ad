import type { MapDefinition } from 'bpf-asm';
import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import type { Fd, Mapping, Poll, Sys } from '../sys/index.ts';
import { Attr } from './attr.ts';
import { possibleCpus } from './codec.ts';
import { eventQueue, type EventStream } from './event-queue.ts';
import { explainPermission } from './permission.ts';
import type { RawMap } from './raw-map.ts';

const { ENODEV } = constants.errno;

/** `struct perf_event_attr` as of its first version (Linux' include/uapi/linux/perf_event.h). */
const ATTR = { type: 0, size: 4, config: 8, sample_period: 16, sample_type: 24, wakeup_events: 48 } as const;
const ATTR_SIZE = 64;
const TYPE_SOFTWARE = 1;
const COUNT_SW_BPF_OUTPUT = 10n;
const SAMPLE_RAW = 1n << 10n;
const FLAG_CLOEXEC = 8;
const IOC_ENABLE = 0x2400;

/** In the first page: where the kernel writes next, where the reader is. */
const DATA_HEAD = 1024 / 8;
const DATA_TAIL = 1032 / 8;
const RECORD_LOST = 2;
const RECORD_SAMPLE = 9;
const HEADER = 8;

/** Options of {@link openPerfReader}. */
export interface PerfReaderOptions {
  /** Pages of each CPU's buffer: a power of two. Default 16. */
  readonly pages?: number;
  /** Most records waiting for the reader. Default 65536. */
  readonly capacity?: number;
}

/** A record of a perf event array. */
export interface PerfRecord {
  /** The CPU that the program ran on. */
  readonly cpu: number;
  /** What the program gave, with the padding that perf adds: up to 7 bytes. */
  readonly bytes: Uint8Array;
}

/**
 * Reads what programs put into a perf event array by `perf_event_output` (4.3; the helper is for GPL programs only): a buffer for
 * every CPU that is online. `dropped` counts what the kernel lost because a buffer was full, and what the reader had no room for.
 * Prefer a ring buffer (`openRingBuffer`), which has an order over all CPUs.
 * @throws NetlinkTcError `ERR_PERMISSION` without CAP_PERFMON
 */
export function openPerfReader(
  sys: Sys,
  map: { readonly raw: RawMap; readonly definition: MapDefinition },
  options: PerfReaderOptions = {},
): EventStream<PerfRecord> {
  const { pages = 16, capacity } = options;
  const { name, type } = map.definition;
  if (type !== 'perf_event_array') {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `map ${name} is a ${type}, not a perf event array`);
  }
  if (!Number.isInteger(pages) || pages < 1 || (pages & (pages - 1)) !== 0) {
    throw new NetlinkTcError(
      'ERR_INVALID_ARGUMENT',
      `a buffer of ${String(pages)} pages cannot be: it is a power of two`,
    );
  }
  const buffers: CpuBuffer[] = [];
  const closeAll = (): void => {
    for (const buffer of buffers) buffer.close();
  };
  try {
    for (let cpu = 0; cpu < possibleCpus(); cpu += 1) {
      const buffer = openCpu(sys, cpu, pages);
      if (buffer === undefined) continue;
      buffers.push(buffer);
      buffer.register(map.raw, name);
    }
  } catch (error) {
    closeAll();
    throw error;
  }
  const queue = eventQueue<PerfRecord>({
    ...(capacity === undefined ? {} : { capacity }),
    start(): void {
      for (const buffer of buffers) buffer.watch((make) => queue.push(make), queue.lose);
    },
    stop: closeAll,
  });
  return queue.stream;
}

function openCpu(sys: Sys, cpu: number, pages: number): CpuBuffer | undefined {
  const attr = new Attr(sys, ATTR_SIZE)
    .u32(ATTR.type, TYPE_SOFTWARE)
    .u32(ATTR.size, ATTR_SIZE)
    .u64(ATTR.config, COUNT_SW_BPF_OUTPUT)
    .u64(ATTR.sample_period, 1n)
    .u64(ATTR.sample_type, SAMPLE_RAW)
    .u32(ATTR.wakeup_events, 1);
  const result = sys.call('perf_event_open', attr.bytes, -1, cpu, -1, FLAG_CLOEXEC);
  // The CPU is not online.
  if (result === -ENODEV) return undefined;
  if (result < 0)
    throw systemError(result, 'perf_event_open', `cannot open the perf buffer of CPU ${cpu}`, {
      hint: explainPermission(sys, ['CAP_PERFMON']),
    });
  const fd = sys.fds.own(result, `perf buffer of CPU ${cpu}`);
  const length = (1 + pages) * sys.pageSize;
  const mapping = sys.mmap({ fd: fd.number, offset: 0, length, writable: true });
  if (typeof mapping === 'number') {
    fd.close();
    throw systemError(mapping, 'mmap', `cannot map the perf buffer of CPU ${cpu}`, {
      hint: 'RLIMIT_MEMLOCK and kernel.perf_event_mlock_kb bound these buffers: use fewer pages',
    });
  }
  return new CpuBuffer(sys, cpu, fd, mapping);
}

/** The buffer of one CPU: records wrap at its end. */
class CpuBuffer {
  readonly #sys: Sys;
  readonly #cpu: number;
  readonly #fd: Fd;
  readonly #mapping: Mapping;
  readonly #positions: BigUint64Array;
  readonly #data: Uint8Array;
  #poll: Poll | undefined;

  constructor(sys: Sys, cpu: number, fd: Fd, mapping: Mapping) {
    this.#sys = sys;
    this.#cpu = cpu;
    this.#fd = fd;
    this.#mapping = mapping;
    this.#positions = new BigUint64Array(mapping.bytes.buffer, mapping.bytes.byteOffset, sys.pageSize / 8);
    this.#data = mapping.bytes.subarray(sys.pageSize);
  }

  /** Puts the buffer into the map, under the CPU's number, and lets it run. */
  register(map: RawMap, name: string): void {
    const little = this.#sys.platform.littleEndian;
    new DataView(map.key.buffer).setUint32(0, this.#cpu, little);
    new DataView(map.value.buffer).setUint32(0, this.#fd.number, little);
    const updated = map.update(0n);
    if (updated < 0)
      throw systemError(updated, 'bpf(BPF_MAP_UPDATE_ELEM)', `cannot put a perf buffer into map ${name}`);
    const enabled = this.#sys.call('ioctl', this.#fd.number, IOC_ENABLE, 0);
    if (enabled < 0) throw systemError(enabled, 'ioctl', `cannot enable the perf buffer of CPU ${this.#cpu}`);
  }

  watch(push: (make: () => PerfRecord) => void, lose: (count: number) => void): void {
    const take = (): void => this.#drain(push, lose);
    this.#poll ??= this.#sys.poll(this.#fd.number, take);
    take();
  }

  close(): void {
    if (this.#fd.closed) return;
    this.#poll?.close();
    this.#mapping.unmap();
    this.#fd.close();
  }

  #drain(push: (make: () => PerfRecord) => void, lose: (count: number) => void): void {
    const little = this.#sys.platform.littleEndian;
    const head = Number(Atomics.load(this.#positions, DATA_HEAD));
    let tail = Number(Atomics.load(this.#positions, DATA_TAIL));
    while (tail < head) {
      const header = new DataView(this.#copy(tail, HEADER).buffer);
      const size = header.getUint16(6, little);
      // A record shorter than its header would never end.
      if (size < HEADER) break;
      const body = this.#copy(tail + HEADER, size - HEADER);
      const view = new DataView(body.buffer);
      const type = header.getUint32(0, little);
      if (type === RECORD_LOST) lose(Number(view.getBigUint64(8, little)));
      if (type === RECORD_SAMPLE) push(() => ({ cpu: this.#cpu, bytes: body.slice(4, 4 + view.getUint32(0, little)) }));
      tail += size;
    }
    Atomics.store(this.#positions, DATA_TAIL, BigInt(tail));
  }

  #copy(position: number, length: number): Uint8Array {
    const from = position % this.#data.length;
    const bytes = new Uint8Array(length);
    const first = Math.min(length, this.#data.length - from);
    bytes.set(this.#data.subarray(from, from + first));
    bytes.set(this.#data.subarray(0, length - first), first);
    return bytes;
  }
}
