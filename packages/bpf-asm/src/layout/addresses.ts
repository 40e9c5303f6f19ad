import { Codec, show } from './codec.ts';
import { formatIpv4, formatIpv6, formatMac, parseIpv4, parseIpv6, parseMac } from './address-text.ts';
import type { AddressFamily, AddressLayout, LayoutFault } from './layout.ts';

interface AddressKind<Family extends AddressFamily> {
  readonly family: Family;
  readonly label: string;
  readonly size: number;
  readonly align: number;
  /** Fills `into` from `at`, or says false and leaves it as it is. */
  readonly parse: (text: string, into: Uint8Array, at: number) => boolean;
  readonly format: (bytes: Uint8Array, at: number) => string;
  readonly example: string;
}

class Address<Family extends AddressFamily>
  extends Codec<string, string | Uint8Array>
  implements AddressLayout<Family>
{
  readonly kind = 'address';
  readonly family: Family;
  readonly label: string;
  readonly size: number;
  readonly align: number;
  readonly #kind: AddressKind<Family>;
  readonly #scratch: Uint8Array;

  constructor(kind: AddressKind<Family>) {
    super();
    this.family = kind.family;
    this.label = kind.label;
    this.size = kind.size;
    this.align = kind.align;
    this.#kind = kind;
    this.#scratch = new Uint8Array(kind.size);
  }

  check(value: unknown): LayoutFault | undefined {
    const { parse, example, label, size } = this.#kind;
    if (value instanceof Uint8Array) {
      return value.length === size
        ? undefined
        : { path: '', problem: `has ${value.length} bytes, and must have ${size}` };
    }
    if (typeof value === 'string' && parse(value, this.#scratch, 0)) return undefined;
    return {
      path: '',
      problem: `is ${show(value)}, which is no ${label}`,
      hint: `write it like '${example}', or give ${size} bytes`,
    };
  }

  write(value: string | Uint8Array, into: Uint8Array, at: number): void {
    if (typeof value === 'string') this.#kind.parse(value, into, at);
    else into.set(value, at);
  }

  read(bytes: Uint8Array, at: number): string {
    return this.#kind.format(bytes, at);
  }

  checkPadding(): undefined {
    return undefined;
  }

  forByteOrder(): this {
    return this;
  }
}

/** A MAC address, `__u8[6]`: text is six groups of two hexadecimal digits with colons; decodes to lower case. */
export const macAddress: AddressLayout<'mac'> = new Address({
  family: 'mac',
  label: 'macAddress',
  size: 6,
  align: 1,
  parse: parseMac,
  format: formatMac,
  example: '02:00:00:00:00:01',
});

/** An IPv4 address, `__be32`: text is four decimal numbers without leading zeros. */
export const ipv4Address: AddressLayout<'ipv4'> = new Address({
  family: 'ipv4',
  label: 'ipv4Address',
  size: 4,
  align: 4,
  parse: parseIpv4,
  format: formatIpv4,
  example: '10.0.0.1',
});

/** An IPv6 address, `__be32[4]`: text as of RFC 4291 section 2.2 without a zone; decodes to the form of RFC 5952. */
export const ipv6Address: AddressLayout<'ipv6'> = new Address({
  family: 'ipv6',
  label: 'ipv6Address',
  size: 16,
  align: 4,
  parse: parseIpv6,
  format: formatIpv6,
  example: 'fd00::1',
});
