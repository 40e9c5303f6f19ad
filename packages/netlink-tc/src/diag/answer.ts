import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { LITTLE_ENDIAN } from '../netlink/host.ts';
import { malformed } from '../netlink/policy.ts';
import type { RawMessage } from '../netlink/index.ts';
import type { Family } from '../rtnl/index.ts';
import { familyNumber } from '../rtnl/prefix.ts';
import type { InetProtocol, InetSocket, SocketTimer } from './socket.ts';
import { stateName } from './state.ts';

/** Where the fields of `struct inet_diag_msg` are (`linux/inet_diag.h`), its `id` laid flat, and how long it is. */
const AT = {
  family: 0,
  state: 1,
  timer: 2,
  retransmits: 3,
  localPort: 4,
  remotePort: 6,
  local: 8,
  remote: 24,
  device: 40,
  cookieLow: 44,
  cookieHigh: 48,
  expires: 52,
  receiveQueue: 56,
  sendQueue: 60,
  uid: 64,
  inode: 68,
  size: 72,
} as const;

/** Attributes that are looked at: `INET_DIAG_*`. */
const ATTRIBUTE = { v6only: 11, mark: 15, options: 22 } as const;
const ATTRIBUTE_HEADER = 4;

/** In the first byte of `struct inet_diag_sockopt`: bit fields begin at the low end on little-endian machines, else at the high one. */
const TRANSPARENT: number = LITTLE_ENDIAN ? 1 << 5 : 0x80 >> 5;

const TIMERS: readonly SocketTimer['kind'][] = [0, 'retransmit', 'keepalive', 'time_wait', 'probe'];

/**
 * Reads the text of addresses. In a list most sockets have the address of the one before at one end, and comparing bytes takes less
 * than making text.
 */
class AddressReader {
  readonly #size: number;
  readonly #last: Uint8Array = new Uint8Array(16);
  #text: string | undefined;

  constructor(family: Family) {
    this.#size = family === 'ipv4' ? 4 : 16;
  }

  read(bytes: Uint8Array, at: number): string {
    let same = true;
    for (let i = 0; i < this.#size; i += 1) {
      const byte = bytes[at + i] ?? 0;
      if (byte === this.#last[i]) continue;
      same = false;
      this.#last[i] = byte;
    }
    if (!same || this.#text === undefined) {
      this.#text = this.#size === 4 ? ipv4Address.read(bytes, at) : ipv6Address.read(bytes, at);
    }
    return this.#text;
  }
}

/**
 * Reads what the kernel tells of a socket, by hand: a host has tens of thousands, and an object and a view for each part of each
 * message takes ten times as long as the kernel takes to tell it. Made for one list.
 */
export class SocketReader {
  readonly #protocol: InetProtocol;
  readonly #family: Family;
  readonly #number: number;
  readonly #local: AddressReader;
  readonly #remote: AddressReader;
  // All messages of a list lie in one buffer, or few.
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(protocol: InetProtocol, family: Family) {
    this.#protocol = protocol;
    this.#family = family;
    this.#number = familyNumber(family);
    this.#local = new AddressReader(family);
    this.#remote = new AddressReader(family);
  }

  /** @throws NetlinkTcError `ERR_PROTOCOL` when it is too short, of another family, or its attributes are malformed */
  read({ payload }: RawMessage): InetSocket {
    const { length } = payload;
    if (length < AT.size) throw malformed(`${length} bytes are too few for a socket, which has ${AT.size}`);
    if (payload[AT.family] !== this.#number)
      throw malformed(`a socket of family ${payload[AT.family]} in a list of ${this.#family}`);
    if (this.#view.buffer !== payload.buffer) this.#view = new DataView(payload.buffer);
    const view = this.#view;
    const at = payload.byteOffset;
    const timer = payload[AT.timer] ?? 0;
    const high = view.getUint32(at + AT.cookieHigh, LITTLE_ENDIAN);
    const low = view.getUint32(at + AT.cookieLow, LITTLE_ENDIAN);
    const socket: { -readonly [K in keyof InetSocket]: InetSocket[K] } = {
      protocol: this.#protocol,
      family: this.#family,
      state: stateName(payload[AT.state] ?? 0),
      local: { address: this.#local.read(payload, AT.local), port: view.getUint16(at + AT.localPort) },
      remote: { address: this.#remote.read(payload, AT.remote), port: view.getUint16(at + AT.remotePort) },
      device: view.getUint32(at + AT.device, LITTLE_ENDIAN),
      inode: view.getUint32(at + AT.inode, LITTLE_ENDIAN),
      uid: view.getUint32(at + AT.uid, LITTLE_ENDIAN),
      // The low word comes first on every machine. The high one is nearly always zero: one conversion does.
      cookie: high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low),
      receiveQueue: view.getUint32(at + AT.receiveQueue, LITTLE_ENDIAN),
      sendQueue: view.getUint32(at + AT.sendQueue, LITTLE_ENDIAN),
      timer: undefined,
      mark: undefined,
      v6only: undefined,
      transparent: undefined,
    };
    if (timer !== 0) {
      socket.timer = {
        kind: TIMERS[timer] ?? timer,
        expiresMs: view.getUint32(at + AT.expires, LITTLE_ENDIAN),
        retransmits: payload[AT.retransmits] ?? 0,
      };
    }
    for (let offset: number = AT.size; offset < length;) {
      const left = length - offset;
      const size = left < ATTRIBUTE_HEADER ? 0 : view.getUint16(at + offset, LITTLE_ENDIAN);
      if (size < ATTRIBUTE_HEADER || size > left) throw malformed(`an attribute of ${size} bytes has room for ${left}`);
      const type = view.getUint16(at + offset + 2, LITTLE_ENDIAN);
      const data = offset + ATTRIBUTE_HEADER;
      const room = size - ATTRIBUTE_HEADER;
      if (type === ATTRIBUTE.mark && room >= 4) socket.mark = view.getUint32(at + data, LITTLE_ENDIAN);
      else if (type === ATTRIBUTE.v6only && room >= 1) socket.v6only = payload[data] !== 0;
      else if (type === ATTRIBUTE.options && room >= 1) socket.transparent = ((payload[data] ?? 0) & TRANSPARENT) !== 0;
      offset += (size + 3) & ~3;
    }
    return socket;
  }
}
