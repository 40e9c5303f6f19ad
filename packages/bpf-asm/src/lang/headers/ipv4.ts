import {
  be16,
  ipv4Address,
  struct,
  u8,
  type AddressLayout,
  type FieldLayouts,
  type IntegerLayout,
  type StructLayout,
} from '../../layout/index.ts';
import { not, type Condition } from '../condition.ts';
import type { Ended } from '../ended.ts';
import type { Header } from '../packet.ts';
import type { Value } from '../value.ts';
import type { View } from '../view.ts';
import type { IpTransport } from './ip.ts';

type U8 = IntegerLayout<number, 'u8'>;
type Be16 = IntegerLayout<number, 'be16'>;
type Ipv4 = AddressLayout<'ipv4'>;

/** Fields of an IPv4 header, as `struct iphdr` has them. */
export interface Ipv4Fields extends FieldLayouts {
  /** Version in the upper 4 bits, length in words of 4 bytes in the lower. */
  readonly versionIhl: U8;
  readonly tos: U8;
  readonly totalLength: Be16;
  readonly id: Be16;
  /** Two flags, and the offset in units of 8 bytes. */
  readonly fragment: Be16;
  readonly ttl: U8;
  readonly protocol: U8;
  readonly checksum: Be16;
  readonly source: Ipv4;
  readonly destination: Ipv4;
}

const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET = 0x1fff;

/** What an IPv4 header offers. */
export type Ipv4View = View<Ipv4Fields> &
  IpTransport & {
    readonly version: 4;
    /** Length in bytes with its options: 20 to 60. A packet that says less than 20 is dropped by every IP stack; what is parsed after it overlaps. */
    readonly headerLength: Value<'u32'>;
    /** Part of a packet, not all of it. */
    readonly isFragment: Condition;
    /** The part with the ports in it; more follow. */
    readonly isFirstFragment: Condition;
    /** A part without ports. */
    readonly isFragmentTail: Condition;
  };

const layout: StructLayout<Ipv4Fields> = struct(
  'iphdr',
  {
    versionIhl: u8,
    tos: u8,
    totalLength: be16,
    id: be16,
    fragment: be16,
    ttl: u8,
    protocol: u8,
    checksum: be16,
    source: ipv4Address,
    destination: ipv4Address,
  },
  { packed: true },
);

/** IPv4 header (RFC 791; `struct iphdr`, `include/uapi/linux/ip.h`). What follows it begins after its options. */
export const IPv4: Header<Ipv4Fields, Ipv4View> = {
  layout,
  length: lengthOf,
  view: (fields) => {
    const isFragment = (): Condition => fields.fragment.hasAny(MORE_FRAGMENTS | FRAGMENT_OFFSET);
    const extra = {
      version: { value: 4 },
      headerLength: { get: () => lengthOf(fields) },
      isFragment: { get: isFragment },
      isFirstFragment: { get: () => fields.fragment.and(MORE_FRAGMENTS | FRAGMENT_OFFSET).eq(MORE_FRAGMENTS) },
      isFragmentTail: { get: () => fields.fragment.hasAny(FRAGMENT_OFFSET) },
      transport: {
        value: (_truncated: () => Ended) => ({
          protocol: fields.protocol,
          get hasPorts() {
            return not(fields.fragment.hasAny(FRAGMENT_OFFSET));
          },
          get isFragment() {
            return isFragment();
          },
        }),
      },
    };
    return Object.defineProperties(fields, extra) as Ipv4View;
  },
};

function lengthOf(fields: View<Ipv4Fields>): Value<'u32'> {
  return fields.versionIhl.and(0x0f).shl(2);
}
