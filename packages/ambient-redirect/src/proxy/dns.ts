import { constants } from 'node:os';
import { systemError, type Family, type Fd, type Netns, type Poll, type Sys } from 'netlink-tc';
import { decodeSockaddr, encodeSockaddr, isOwnAddress, openSocket, setSocketOption, type Endpoint } from './sockets.ts';

/** What comes with a datagram that says where it was sent to: `IP_RECVORIGDSTADDR` (2.6.29), `IPV6_RECVORIGDSTADDR` (2.6.37). */
const ORIGINAL_DESTINATION = { ipv4: { level: 0, option: 20 }, ipv6: { level: 41, option: 74 } } as const;

/** How long a resolver may take, and how many queries may wait at once. */
const PATIENCE_MS = 5_000;
const MAX_WAITING = 1024;
/** Datagrams read in one go before the event loop has its turn. */
const TURN = 64;
const MAX_DATAGRAM = 65_535;

/** Where the fields of `struct msghdr` are on 64-bit machines, and how long it is. */
const MSGHDR = { name: 0, nameLength: 8, iov: 16, iovLength: 24, control: 32, controlLength: 40, size: 56 } as const;
/** `struct cmsghdr`: length, level, type. */
const CMSGHDR = { length: 0, level: 8, type: 12, size: 16 } as const;

/** A datagram, who sent it, and to whom. */
interface Datagram {
  readonly bytes: Uint8Array;
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** Reads datagrams with their original destination. The memory that the kernel writes to is made once. */
class DatagramReader {
  readonly #sys: Sys;
  readonly #header = new Uint8Array(MSGHDR.size);
  readonly #view: DataView = new DataView(this.#header.buffer);
  readonly #name = new Uint8Array(28);
  readonly #iov = new Uint8Array(16);
  readonly #data = new Uint8Array(MAX_DATAGRAM);
  readonly #control = new Uint8Array(256);

  constructor(sys: Sys) {
    this.#sys = sys;
    const little = sys.platform.littleEndian;
    const iov = new DataView(this.#iov.buffer);
    iov.setBigUint64(0, sys.addressOf(this.#data), little);
    iov.setBigUint64(8, BigInt(this.#data.length), little);
    this.#view.setBigUint64(MSGHDR.name, sys.addressOf(this.#name), little);
    this.#view.setBigUint64(MSGHDR.iov, sys.addressOf(this.#iov), little);
    this.#view.setBigUint64(MSGHDR.iovLength, 1n, little);
    this.#view.setBigUint64(MSGHDR.control, sys.addressOf(this.#control), little);
  }

  /** @returns the next datagram; nothing when there is none, or what came cannot be understood; the negative error number */
  read(fd: Fd): Datagram | number {
    const little = this.#sys.platform.littleEndian;
    this.#view.setUint32(MSGHDR.nameLength, this.#name.length, little);
    this.#view.setBigUint64(MSGHDR.controlLength, BigInt(this.#control.length), little);
    const length = this.#sys.call('recvmsg', fd.number, this.#header, 0);
    if (length < 0) return length;
    const destination = this.#destination(Number(this.#view.getBigUint64(MSGHDR.controlLength, little)));
    if (destination === undefined) return -constants.errno.EPROTO;
    return { bytes: this.#data.slice(0, length), source: decodeSockaddr(this.#sys, this.#name), destination };
  }

  #destination(end: number): Endpoint | undefined {
    const little = this.#sys.platform.littleEndian;
    const view = new DataView(this.#control.buffer);
    for (let at = 0; at + CMSGHDR.size <= end;) {
      const length = Number(view.getBigUint64(at + CMSGHDR.length, little));
      const level = view.getUint32(at + CMSGHDR.level, little);
      const type = view.getUint32(at + CMSGHDR.type, little);
      const wanted = Object.values(ORIGINAL_DESTINATION);
      if (wanted.some((each) => each.level === level && each.option === type))
        return decodeSockaddr(this.#sys, this.#control.subarray(at + CMSGHDR.size, at + length));
      if (length < CMSGHDR.size) return undefined;
      // Each starts at a multiple of eight.
      at += (length + 7) & ~7;
    }
    return undefined;
  }
}

/** What a forwarder has done so far. */
export interface DnsCounters {
  queries: number;
  answers: number;
  dropped: number;
}

/** A forwarder of DNS queries over UDP. Made by {@link openDnsForwarder}. */
export interface DnsForwarder {
  readonly counters: Readonly<DnsCounters>;
  /** The sockets that queries come to. */
  readonly sockets: readonly { readonly family: Family; readonly fd: number }[];
  close(): void;
}

/**
 * Forwards each DNS query to the resolver that it was sent to, from the proxy's own address, and the answer to the client from that
 * resolver's: clients with connected sockets take it from nobody else.
 * @param port that queries are steered to
 * @throws NetlinkTcError when the sockets cannot be made
 */
export function openDnsForwarder(sys: Sys, netns: Netns, port: number): DnsForwarder {
  const counters: DnsCounters = { queries: 0, answers: 0, dropped: 0 };
  const listeners: { family: Family; fd: Fd; poll: Poll }[] = [];
  const waiting = new Set<() => void>();
  const reader = new DatagramReader(sys);

  const answer = (bytes: Uint8Array, { source, destination }: Datagram, family: Family): void => {
    // From a socket of its own: the listener would answer from its own port. It must not stay: it would take the client's next query.
    const options = { protocol: 'udp', family, bind: destination, transparent: true } as const;
    using socket = openSocket(sys, netns, options);
    const to = encodeSockaddr(sys, source);
    const result = sys.call('sendto', socket.number, bytes, bytes.length, 0, to, to.length);
    if (result < 0) throw systemError(result, 'sendto', 'cannot answer a query');
  };

  const forward = (query: Datagram, family: Family): void => {
    const upstream = openSocket(sys, netns, { protocol: 'udp', family });
    const to = encodeSockaddr(sys, query.destination);
    const { bytes } = query;
    // Connected: only that resolver can answer, and its refusal is heard.
    let result = sys.call('connect', upstream.number, to, to.length);
    if (result >= 0) result = sys.call('sendto', upstream.number, bytes, bytes.length, 0, null, 0);
    if (result < 0) {
      upstream.close();
      throw systemError(result, 'sendto', 'cannot forward a query');
    }
    const finish = (): void => {
      clearTimeout(timer);
      poll.close();
      upstream.close();
      waiting.delete(finish);
    };
    const poll = sys.poll(upstream.number, () => {
      const buffer = new Uint8Array(MAX_DATAGRAM);
      const length = sys.call('recvfrom', upstream.number, buffer, buffer.length, 0, null, null);
      if (length === -constants.errno.EAGAIN) return;
      finish();
      attempt(() => {
        if (length < 0) throw systemError(length, 'recvfrom', 'the resolver cannot be reached');
        answer(buffer.subarray(0, length), query, family);
        counters.answers += 1;
      });
    });
    const timer = setTimeout(() => {
      finish();
      counters.dropped += 1;
    }, PATIENCE_MS);
    waiting.add(finish);
  };

  /** A query that something goes wrong with is lost, as datagrams may be: the client asks again. */
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch {
      counters.dropped += 1;
    }
  };

  const drain = (fd: Fd, family: Family): void => {
    for (let i = 0; i < TURN; i += 1) {
      const datagram = reader.read(fd);
      if (datagram === -constants.errno.EAGAIN) return;
      if (typeof datagram === 'number') {
        counters.dropped += 1;
        continue;
      }
      counters.queries += 1;
      attempt(() => {
        if (waiting.size >= MAX_WAITING) throw new Error('too many queries at once');
        // One that was sent to the proxy itself would go round in circles.
        if (datagram.destination.port === port && isOwnAddress(netns, datagram.destination.address))
          throw new Error('a query to the proxy itself');
        forward(datagram, family);
      });
    }
  };

  const close = (): void => {
    for (const finish of waiting) finish();
    for (const { poll, fd } of listeners.splice(0)) {
      poll.close();
      fd.close();
    }
  };

  try {
    for (const [family, address] of [
      ['ipv4', '0.0.0.0'],
      ['ipv6', '::'],
    ] as const) {
      const fd = openSocket(sys, netns, { protocol: 'udp', family, bind: { address, port }, transparent: true });
      const { level, option } = ORIGINAL_DESTINATION[family];
      try {
        setSocketOption(sys, fd, level, option, 1);
        listeners.push({ family, fd, poll: sys.poll(fd.number, () => drain(fd, family)) });
      } catch (error) {
        fd.close();
        throw error;
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    counters,
    get sockets() {
      return listeners.map(({ family, fd }) => ({ family, fd: fd.number }));
    },
    close,
  };
}
