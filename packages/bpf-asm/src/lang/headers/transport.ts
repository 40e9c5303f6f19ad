import {
  be16,
  be32,
  struct,
  u8,
  type FieldLayouts,
  type IntegerLayout,
  type StructLayout,
} from '../../layout/index.ts';
import type { Header } from '../packet.ts';
import type { Value } from '../value.ts';
import type { View } from '../view.ts';

type U8 = IntegerLayout<number, 'u8'>;
type Be16 = IntegerLayout<number, 'be16'>;
type Be32 = IntegerLayout<number, 'be32'>;

interface TcpFields extends FieldLayouts {
  readonly source: Be16;
  readonly destination: Be16;
  readonly sequence: Be32;
  readonly acknowledgement: Be32;
  /** Length of the header in words of 4 bytes, in the upper 4 bits. */
  readonly dataOffset: U8;
  /** Bits of `TCP_FLAG`. */
  readonly flags: U8;
  readonly window: Be16;
  readonly checksum: Be16;
  readonly urgent: Be16;
}

const tcpLayout: StructLayout<TcpFields> = struct(
  'tcphdr',
  {
    source: be16,
    destination: be16,
    sequence: be32,
    acknowledgement: be32,
    dataOffset: u8,
    flags: u8,
    window: be16,
    checksum: be16,
    urgent: be16,
  },
  { packed: true },
);

/** TCP header (`struct tcphdr`, `include/uapi/linux/tcp.h`). What follows it begins after its options. */
export const Tcp: Header<TcpFields, View<TcpFields>> = {
  layout: tcpLayout,
  view: (fields) => fields,
  length: ({ dataOffset }: { readonly dataOffset: Value<'u8'> }) => dataOffset.shr(4).shl(2),
};

/** UDP header (`struct udphdr`, `include/uapi/linux/udp.h`). */
export const Udp: StructLayout<{
  readonly source: Be16;
  readonly destination: Be16;
  readonly length: Be16;
  readonly checksum: Be16;
}> = struct('udphdr', { source: be16, destination: be16, length: be16, checksum: be16 }, { packed: true });

interface IcmpFields extends FieldLayouts {
  readonly type: U8;
  readonly code: U8;
  readonly checksum: Be16;
  /** What it means depends on the type: identifier and sequence number, or MTU. */
  readonly rest: Be32;
}

/** ICMP header (`struct icmphdr`, `include/uapi/linux/icmp.h`). */
export const Icmp: StructLayout<IcmpFields> = struct(
  'icmphdr',
  { type: u8, code: u8, checksum: be16, rest: be32 },
  { packed: true },
);

/** ICMPv6 header (`struct icmp6hdr`, `include/uapi/linux/icmpv6.h`). */
export const Icmpv6: StructLayout<IcmpFields> = struct(
  'icmp6hdr',
  { type: u8, code: u8, checksum: be16, rest: be32 },
  { packed: true },
);

/** The first 4 bytes that TCP, UDP and SCTP have in common. */
export const Ports: StructLayout<{ readonly source: Be16; readonly destination: Be16 }> = struct(
  'ports',
  { source: be16, destination: be16 },
  { packed: true },
);
