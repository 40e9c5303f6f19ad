import {
  be16,
  ipv4Address,
  ipv6Address,
  struct,
  type AddressLayout,
  type BytesValue,
  type FieldLayouts,
  type IntegerLayout,
  type Ip,
  type StructLayout,
  type Value,
  type View,
} from 'bpf-asm';
import type { Tools } from './tools.ts';

/** `BPF_F_CURRENT_NETNS`: sockets of the namespace that the packet is in. */
export const THIS_NETNS = -1;

/** States of a socket (`include/net/tcp_states.h`). */
export const TCP_STATE = { timeWait: 6, listen: 10 } as const;

type Be16 = IntegerLayout<number, 'be16'>;
/** Fields of `struct bpf_sock_tuple` for a family. */
interface TupleFields<Family extends 'ipv4' | 'ipv6'> extends FieldLayouts {
  readonly source: AddressLayout<Family>;
  readonly destination: AddressLayout<Family>;
  readonly sourcePort: Be16;
  readonly destinationPort: Be16;
}

/** What a socket is looked for by, as the packet that it would receive has it. */
export type SocketTuple = View<TupleFields<'ipv4'>> | View<TupleFields<'ipv6'>>;

const Tuple4: StructLayout<TupleFields<'ipv4'>> = struct('tuple4', {
  source: ipv4Address,
  destination: ipv4Address,
  sourcePort: be16,
  destinationPort: be16,
});
const Tuple6: StructLayout<TupleFields<'ipv6'>> = struct('tuple6', {
  source: ipv6Address,
  destination: ipv6Address,
  sourcePort: be16,
  destinationPort: be16,
});

/** Looks for the socket of a packet's connection. */
export function connectionTuple(tools: Tools, ip: Ip): SocketTuple {
  return ip.version === 4 ? tuple4(tools, ip.source, ip.destination) : tuple6(tools, ip.source, ip.destination);
}

/** Looks for who listens on every address. */
export function listenerTuple(tools: Tools, { version }: Ip): SocketTuple {
  return version === 4 ? tuple4(tools, 0, 0) : tuple6(tools, '::', '::');
}

function tuple4(
  { record }: Tools,
  source: Value<'be32'> | 0,
  destination: Value<'be32'> | 0,
): View<TupleFields<'ipv4'>> {
  return record(Tuple4, { source, destination, sourcePort: 0, destinationPort: 0 });
}

function tuple6(
  { record }: Tools,
  source: BytesValue<'ipv6'> | '::',
  destination: BytesValue<'ipv6'> | '::',
): View<TupleFields<'ipv6'>> {
  return record(Tuple6, { source, destination, sourcePort: 0, destinationPort: 0 });
}
