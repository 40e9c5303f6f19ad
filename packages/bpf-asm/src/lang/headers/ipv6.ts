import {
  be16,
  be32,
  ipv6Address,
  struct,
  u8,
  type AddressLayout,
  type FieldLayouts,
  type IntegerLayout,
  type StructLayout,
} from '../../layout/index.ts';
import { not } from '../condition.ts';
import { IPPROTO_AH, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING } from '../constants.ts';
import { when } from '../control.ts';
import type { Ended } from '../ended.ts';
import { repeat } from '../loop.ts';
import { PLACE } from '../memory.ts';
import type { Header, PacketCursor } from '../packet.ts';
import { Place } from '../place.ts';
import { Variable } from '../variable.ts';
import { structView, type View } from '../view.ts';
import type { IpTransport, Transport } from './ip.ts';

type U8 = IntegerLayout<number, 'u8'>;
type Be16 = IntegerLayout<number, 'be16'>;
type Be32 = IntegerLayout<number, 'be32'>;
type Ipv6 = AddressLayout<'ipv6'>;

/** Fields of an IPv6 header, as `struct ipv6hdr` has them. */
export interface Ipv6Fields extends FieldLayouts {
  /** Version, traffic class and flow label. */
  readonly versionClassFlow: Be32;
  readonly payloadLength: Be16;
  /** What follows: an extension header, or what the packet carries. */
  readonly nextHeader: U8;
  readonly hopLimit: U8;
  readonly source: Ipv6;
  readonly destination: Ipv6;
}

/** What an IPv6 header offers. */
export type Ipv6View = View<Ipv6Fields> & IpTransport & { readonly version: 6 };

/** Extension headers that are looked at. RFC 8200 section 4.1 knows of 6 that a packet can sensibly have. */
const MOST_EXTENSIONS = 6;

/** Their length: a multiple of 4, and less than the verifier lets be added to a pointer into the packet. */
const WALKED = 0x3ffc;

const MORE_FRAGMENTS = 0x0001;
const FRAGMENT_OFFSET = 0xfff8;

const layout: StructLayout<Ipv6Fields> = struct(
  'ipv6hdr',
  {
    versionClassFlow: be32,
    payloadLength: be16,
    nextHeader: u8,
    hopLimit: u8,
    source: ipv6Address,
    destination: ipv6Address,
  },
  { packed: true },
);

/** The first bytes of an extension header; of a fragment header all of them. */
const Extension: StructLayout<{
  readonly nextHeader: U8;
  readonly length: U8;
  readonly fragment: Be16;
  readonly id: Be32;
}> = struct('ipv6_ext', { nextHeader: u8, length: u8, fragment: be16, id: be32 }, { packed: true });

/** IPv6 header (RFC 8200; `struct ipv6hdr`, `include/uapi/linux/ipv6.h`). Extension headers are walked by its `transport`. */
export const IPv6: Header<Ipv6Fields, Ipv6View> = {
  layout,
  view: (fields, packet) =>
    Object.defineProperties(fields, {
      version: { value: 6 },
      transport: { value: (truncated: () => Ended) => walk(fields, packet, truncated) },
    }) as Ipv6View,
};

/**
 * Walks the extension headers, each as long as it says. Their length is kept as a number with fixed bounds, and the pointer made of it anew in each round:
 * so the verifier finds that the ways through a round come to the same, and does not follow each to the end.
 */
function walk(fields: View<Ipv6Fields>, packet: PacketCursor, truncated: () => Ended): Transport {
  const place = fields[PLACE];
  const { scope } = place;
  const start = place.offset + layout.size;
  const protocol = new Variable(scope, 'u8', fields.nextHeader);
  const fragment = new Variable(scope, 'be16', 0);
  const walked = new Variable(scope, 'u32', 0);
  repeat(
    scope,
    MOST_EXTENSIONS + 1,
    (_round, { stop }) => {
      const next = protocol.get();
      when(not(next.oneOf(IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS)), stop);
      const here = scope.at().alu('add', place.base, walked.get().ir);
      packet.check(here, start + Extension.size, truncated);
      const extension = structView(new Place(scope, here, start, place.rules), Extension);
      protocol.set(extension.nextHeader);
      const length = new Variable(scope, 'u32', 8);
      when(
        next.eq(IPPROTO_FRAGMENT),
        () => {
          fragment.set(extension.fragment.and(FRAGMENT_OFFSET | MORE_FRAGMENTS));
        },
        () => {
          const words = extension.length.add(1);
          length.set(words.shl(3));
          when(next.eq(IPPROTO_AH), () => length.set(words.add(1).shl(2)));
        },
      );
      walked.set(walked.get().add(length.get()).and(WALKED));
      when(fragment.get().hasAny(FRAGMENT_OFFSET), stop);
    },
    { as: 'bounded', exhausted: truncated },
  );
  packet.moveTo(scope.at().alu('add', place.base, walked.get().ir), start);
  const found = fragment.get();
  return {
    protocol: protocol.get(),
    get hasPorts() {
      return not(found.hasAny(FRAGMENT_OFFSET));
    },
    get isFragment() {
      return found.ne(0);
    },
  };
}
