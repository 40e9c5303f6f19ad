import { SNAPSHOT } from '../maps.ts';
import type { TrafficEvent } from './traffic-event.ts';
import { VERDICT_MEANING } from './verdict-meaning.ts';

/** Types of blocks (draft-ietf-opsawg-pcapng, section 4). */
const BLOCK = { section: 0x0a0d_0d0a, interface: 1, packet: 6 } as const;

/** Codes of options (the same, sections 3.5 and 4.1 to 4.3). */
const OPTION = { comment: 1, userApplication: 4, interfaceName: 2, timeResolution: 9, packetFlags: 2 } as const;

/** `LINKTYPE_ETHERNET`: frames as they are on a veth. */
const ETHERNET = 1;

/** Times are in nanoseconds: ten to the minus ninth. */
const NANOSECONDS = 9;

/** How a packet went by the interface that it was seen at: bits of `epb_flags`. */
const FLAGS: Readonly<Record<TrafficEvent['program'], number>> = {
  app_outbound: 1,
  app_inbound: 2,
  ztunnel_host_in: 1,
};

/** What a {@link PcapngWriter} is made with. */
export interface PcapngOptions {
  /** Name of an interface of the host; the file says `if` and its index where there is none. */
  readonly interfaceName: (ifindex: number) => string | undefined;
  /** Nanoseconds since 1970 of an event's time. */
  readonly wallTime: (monotonic: bigint) => bigint;
}

/**
 * Writes events as a capture file that Wireshark reads: a frame for each, cut off after 128 bytes, with what became of it as the
 * comment. The events must have been asked for with their packets.
 * @example
 * ```ts
 * const capture = new PcapngWriter((bytes) => file.write(bytes), { interfaceName: () => undefined, wallTime: wallClock() });
 * for await (const event of await engine.events({ snapshot: true })) capture.write(event);
 * ```
 */
export class PcapngWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #options: PcapngOptions;
  /** Numbers of interfaces in the file, by their indices. */
  readonly #interfaces = new Map<number, number>();

  /** Writes the beginning of the file. */
  constructor(write: (bytes: Uint8Array) => void, options: PcapngOptions) {
    this.#write = write;
    this.#options = options;
    const body = new Uint8Array(16);
    const view = new DataView(body.buffer);
    view.setUint32(0, 0x1a2b_3c4d, true);
    view.setUint16(4, 1, true);
    // The length of the section is not known.
    view.setBigInt64(8, -1n, true);
    write(block(BLOCK.section, body, [[OPTION.userApplication, text('ambient-redirect trace')]]));
  }

  /** Adds a packet. One whose bytes are not known has none in the file. */
  write(event: TrafficEvent): void {
    const data = event.packet ?? new Uint8Array(0);
    const body = new Uint8Array(20 + padded(data.length));
    const view = new DataView(body.buffer);
    const time = this.#options.wallTime(event.time);
    view.setUint32(0, this.#interfaceOf(event.ifindex), true);
    view.setUint32(4, Number(time >> 32n), true);
    view.setUint32(8, Number(time & 0xffff_ffffn), true);
    view.setUint32(12, data.length, true);
    view.setUint32(16, event.length, true);
    body.set(data, 20);
    const flags = new Uint8Array(4);
    new DataView(flags.buffer).setUint32(0, FLAGS[event.program], true);
    this.#write(
      block(BLOCK.packet, body, [
        [OPTION.comment, text(commentOf(event))],
        [OPTION.packetFlags, flags],
      ]),
    );
  }

  #interfaceOf(ifindex: number): number {
    const known = this.#interfaces.get(ifindex);
    if (known !== undefined) return known;
    const number = this.#interfaces.size;
    this.#interfaces.set(ifindex, number);
    const body = new Uint8Array(8);
    const view = new DataView(body.buffer);
    view.setUint16(0, ETHERNET, true);
    view.setUint32(4, SNAPSHOT, true);
    const name = this.#options.interfaceName(ifindex) ?? `if${ifindex}`;
    this.#write(
      block(BLOCK.interface, body, [
        [OPTION.interfaceName, text(name)],
        [OPTION.timeResolution, Uint8Array.of(NANOSECONDS)],
      ]),
    );
    return number;
  }
}

/** `captured, app_outbound of shop/cart: redirected to the proxy: of a TCP connection of the pod`. */
function commentOf({ verdict, program, pod }: TrafficEvent): string {
  const { outcome, reason } = VERDICT_MEANING[verdict];
  return `${verdict}, ${program} of ${pod ?? 'no pod'}: ${outcome}; ${reason}`;
}

type Option = readonly [code: number, value: Uint8Array];

/** A block: type, length, body, options, and the length once more. */
function block(type: number, body: Uint8Array, options: readonly Option[]): Uint8Array {
  const ofOptions = options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 4);
  const length = 12 + body.length + ofOptions;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  let at = 8 + body.length;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  // What is between is the end of the options, which is zero.
  view.setUint32(length - 4, length, true);
  return bytes;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
