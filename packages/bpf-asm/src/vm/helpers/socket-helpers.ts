import { ERRNO } from '../errno.ts';
import type { HelperFunction, HelperTable } from '../helper.ts';
import type { Machine } from '../machine.ts';
import { VmSocket, type SocketQuery } from '../socket.ts';
import { contextOf } from './packet.ts';

/** Sizes of `bpf_sock_tuple.ipv4` and `.ipv6`. */
const TUPLE4 = 12;
const TUPLE6 = 36;

/** Flags of `sk_assign` in programs of type `sk_lookup` (`BPF_SK_LOOKUP_F_*`). */
const REPLACE = 1;
const NO_REUSEPORT = 2;

function lookUp(helper: SocketQuery['helper']): HelperFunction {
  return (machine) => {
    contextOf(machine);
    const size = machine.u32(3);
    const tuple = machine.bytes(2, size);
    if ((size !== TUPLE4 && size !== TUPLE6) || !machine.isNull(5)) return 0;
    const width = size === TUPLE4 ? 4 : 16;
    const port = (at: number): number => ((tuple[at] as number) << 8) | (tuple[at + 1] as number);
    const socket = machine.run.environment.findSocket({
      helper,
      family: size === TUPLE4 ? 4 : 6,
      source: tuple.slice(0, width),
      destination: tuple.slice(width, 2 * width),
      sourcePort: port(2 * width),
      destinationPort: port(2 * width + 2),
      netns: BigInt.asIntN(64, machine.u64(4)),
    });
    if (socket === undefined) return 0;
    const reference = socket.reference();
    machine.run.held.push(reference);
    return reference;
  };
}

function socketIn(machine: Machine, register: number): VmSocket {
  const socket = machine.regionAt(register)?.object;
  if (socket instanceof VmSocket) return socket;
  throw machine.trap(`r${register} is no socket`);
}

const release: HelperFunction = (machine) => {
  const { held } = machine.run;
  const reference = machine.regionAt(1);
  const index = reference === undefined ? -1 : held.indexOf(reference);
  if (reference === undefined || !(reference.object instanceof VmSocket) || index < 0) {
    throw machine.trap('r1 is no socket that was looked up');
  }
  held.splice(index, 1);
  machine.memory.retire(reference, 'a socket that was released');
  return 0;
};

const assign: HelperFunction = (machine) => {
  const { run } = machine;
  const context = contextOf(machine);
  const flags = machine.high(3) === 0 ? machine.u32(3) : 0xffff_ffff;
  if (run.kind !== 'socket') {
    const socket = socketIn(machine, 2);
    if (flags !== 0) return -ERRNO.EINVAL;
    run.socket = socket;
    run.assigned = true;
    return 0;
  }
  if ((flags & ~(REPLACE | NO_REUSEPORT)) !== 0) return -ERRNO.EINVAL;
  const socket = machine.isNull(2) ? undefined : socketIn(machine, 2);
  if (socket !== undefined) {
    if (socket.field('protocol') !== context.get('protocol')) return -ERRNO.EPROTOTYPE;
    const [family, wanted] = [socket.field('family'), context.get('family')];
    // A dual-stack IPv6 socket serves IPv4; whether this one does is not in its fields, so it is taken to.
    if (family !== wanted && family !== AF_INET6) return -ERRNO.EAFNOSUPPORT;
  }
  if (run.assigned && run.socket !== undefined && (flags & REPLACE) === 0) return -ERRNO.EEXIST;
  run.socket = socket;
  run.assigned = socket !== undefined;
  return 0;
};

const AF_INET6 = 10;

/** Every socket of the interpreter is a full one. */
const fullSocket: HelperFunction = (machine) => {
  if (machine.isNull(1)) return 0;
  socketIn(machine, 1);
  return machine.regionAt(1) ?? 0;
};

const cookie: HelperFunction = (machine) => {
  const object = machine.regionAt(1)?.object;
  return object instanceof VmSocket ? object.cookie : (machine.run.socket?.cookie ?? 0n);
};

const netnsCookie: HelperFunction = (machine) => machine.run.environment.netnsCookie;

/** Helpers about sockets. */
export const SOCKET_HELPERS: HelperTable = {
  sk_lookup_tcp: lookUp('sk_lookup_tcp'),
  sk_lookup_udp: lookUp('sk_lookup_udp'),
  skc_lookup_tcp: lookUp('skc_lookup_tcp'),
  sk_release: release,
  sk_assign: assign,
  sk_fullsock: fullSocket,
  get_socket_cookie: cookie,
  get_netns_cookie: netnsCookie,
};
