import { ipv4Address, ipv6Address, type Layout } from 'bpf-asm/layout';
import { LITTLE_ENDIAN } from './host.ts';
import {
  ATTRIBUTE_HEADER,
  NESTED,
  NO_POLICY,
  malformed,
  readAttributes,
  walkAttributes,
  writeAttributes,
  type AttributeKind,
  type Attributes,
  type Policy,
} from './policy.ts';
import type { MessageWriter } from './writer.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const MAX_PAYLOAD = 0xffff - ATTRIBUTE_HEADER;

type Reader<V> = (view: DataView) => V;

function integer(label: string, bits: 8 | 16 | 32, signed: boolean, network: boolean): AttributeKind<number> {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const order = network ? false : LITTLE_ENDIAN;
  const readers: Record<typeof bits, Reader<number>> = {
    8: (view) => (signed ? view.getInt8(0) : view.getUint8(0)),
    16: (view) => (signed ? view.getInt16(0, order) : view.getUint16(0, order)),
    32: (view) => (signed ? view.getInt32(0, order) : view.getUint32(0, order)),
  };
  const read = readers[bits];
  return {
    label,
    min: bits / 8,
    max: bits / 8,
    nested: false,
    write(writer: MessageWriter, value: number): void {
      if (!Number.isInteger(value) || value < low || value > high) {
        throw writer.refuse(`is ${String(value)}, and must be an integer from ${low} to ${high}`);
      }
      if (bits === 8) writer.u8(value);
      else if (bits === 16) writer.u16(value, order);
      else writer.u32(value, order);
    },
    read: (data) => read(new DataView(data.buffer, data.byteOffset)),
  };
}

/** `NLA_U8`. */
export const u8: AttributeKind<number> = integer('u8', 8, false, false);
/** `NLA_U16`, in the machine's byte order. */
export const u16: AttributeKind<number> = integer('u16', 16, false, false);
/** `NLA_U32`, in the machine's byte order. */
export const u32: AttributeKind<number> = integer('u32', 32, false, false);
/** `NLA_S32`, in the machine's byte order. */
export const i32: AttributeKind<number> = integer('i32', 32, true, false);
/** `NLA_BE16`: network byte order. */
export const be16: AttributeKind<number> = integer('be16', 16, false, true);
/** `NLA_BE32`: network byte order. */
export const be32: AttributeKind<number> = integer('be32', 32, false, true);

/** `NLA_U64`, in the machine's byte order. */
export const u64: AttributeKind<bigint> = {
  label: 'u64',
  min: 8,
  max: 8,
  nested: false,
  write(writer: MessageWriter, value: bigint): void {
    if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) {
      throw writer.refuse(`is ${String(value)}, and must be a bigint from 0 to 2^64 - 1`);
    }
    writer.u64(value);
  },
  read: (data) => new DataView(data.buffer, data.byteOffset).getBigUint64(0, LITTLE_ENDIAN),
};

/** `NLA_FLAG`: true where it stands, without payload. False leaves nothing to write: give undefined instead. */
export const flag: AttributeKind<true> = {
  label: 'a flag',
  min: 0,
  max: 0,
  nested: false,
  write(writer: MessageWriter, value: boolean): void {
    if (value !== true) throw writer.refuse(`is ${String(value)}, and must be true or left out`);
  },
  read: () => true,
};

/** `NLA_NUL_STRING`: text of at most `max` bytes of UTF-8, ended by a zero byte (which the kernel leaves out here and there). */
export function text(max: number): AttributeKind<string> {
  return {
    label: `text of at most ${max} bytes`,
    min: 0,
    max: max + 1,
    nested: false,
    write(writer: MessageWriter, value: string): void {
      if (typeof value !== 'string') throw writer.refuse(`is ${String(value)}, and must be text`);
      if (value.includes('\0')) throw writer.refuse('contains a zero byte');
      // Names are short and nearly always ASCII: an encoder takes longer to begin than to write them so.
      if (value.length <= max && writer.ascii(value)) return;
      const encoded = encoder.encode(value);
      if (encoded.length > max) throw writer.refuse(`is '${value}', and must be ${this.label}`);
      writer.raw(encoded);
      writer.u8(0);
    },
    read(data: Uint8Array): string {
      // Names are short and nearly always ASCII: a decoder takes longer to begin than to read them so.
      let out = '';
      for (const byte of data) {
        if (byte === 0) return out;
        if (byte > 0x7f) return decoder.decode(data.subarray(0, data.includes(0) ? data.indexOf(0) : data.length));
        out += String.fromCharCode(byte);
      }
      return out;
    },
  };
}

/** `NLA_BINARY`: bytes that mean nothing here. */
export function bytes(min = 0, max: number = MAX_PAYLOAD): AttributeKind<Uint8Array> {
  return {
    label: min === max ? `${max} bytes` : `${min} to ${max} bytes`,
    min,
    max,
    nested: false,
    write(writer: MessageWriter, value: Uint8Array): void {
      if (!(value instanceof Uint8Array)) throw writer.refuse(`is ${String(value)}, and must be a Uint8Array`);
      writer.raw(value);
    },
    read: (data) => data.slice(),
  };
}

/** A C struct in the machine's byte order. Later kernels may append fields: what is longer is read up to its known end. */
export function structure<Out, In>(layout: Layout<Out, In>): AttributeKind<Out & In> {
  return {
    label: `struct ${layout.label} of ${layout.size} bytes`,
    min: layout.size,
    max: MAX_PAYLOAD,
    nested: false,
    write(writer: MessageWriter, value: Out & In): void {
      const fault = layout.check(value);
      if (fault !== undefined) throw writer.refuse(`${fault.path} ${fault.problem}`.trim(), fault.hint);
      writer.struct(layout.size, (into, at) => layout.write(value, into, at));
    },
    read: (data) => layout.read(data, 0) as Out & In,
  };
}

const IP_LAYOUTS: Readonly<Record<number, Layout<string, string | Uint8Array>>> = { 4: ipv4Address, 16: ipv6Address };
const LONGEST_ADDRESS = 32;

const PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function digits(data: Uint8Array, separator: string): string {
  let out = '';
  for (let i = 0; i < data.length; i += 1) out += `${i === 0 ? '' : separator}${PAIRS[data[i] ?? 0]}`;
  return out;
}

function fromDigits(writer: MessageWriter, pairs: readonly string[]): void {
  writer.raw(Uint8Array.from(pairs, (pair) => parseInt(pair, 16)));
}

/**
 * An IPv4 or IPv6 address, as its length says; text both ways. What has another length (other families share the attributes) is
 * hexadecimal digits after `0x`.
 */
export const ip: AttributeKind<string> = {
  label: 'IPv4 or IPv6 address',
  min: 0,
  max: LONGEST_ADDRESS,
  nested: false,
  write(writer: MessageWriter, value: string): void {
    const layout = Object.values(IP_LAYOUTS).find((each) => each.check(value) === undefined);
    if (layout !== undefined) writer.struct(layout.size, (into, at) => layout.write(value, into, at));
    else if (/^0x([0-9a-f]{2})*$/.test(value)) fromDigits(writer, value.slice(2).match(/../g) ?? []);
    else throw writer.refuse(`is ${String(value)}, which is no ${this.label}`);
  },
  read: (data) => IP_LAYOUTS[data.length]?.read(data, 0) ?? `0x${digits(data, '')}`,
};

/** A link-layer address in the notation of MAC addresses; those of tunnels (4 and 16 bytes) and InfiniBand (20) too. */
export const mac: AttributeKind<string> = {
  label: 'MAC address',
  min: 0,
  max: LONGEST_ADDRESS,
  nested: false,
  write(writer: MessageWriter, value: string): void {
    if (!/^([0-9a-f]{2}(:[0-9a-f]{2})*)?$/i.test(value))
      throw writer.refuse(`is ${String(value)}, which is no ${this.label}`);
    fromDigits(writer, value === '' ? [] : value.split(':'));
  },
  read: (data) => digits(data, ':'),
};

/** A nest: attributes in an attribute. */
export function nest<A extends Attributes>(table: Policy<A>): AttributeKind<A> {
  return {
    label: 'a nest',
    min: 0,
    max: MAX_PAYLOAD,
    nested: true,
    table: () => table as Policy,
    write: (writer, value) => writeAttributes(writer, table, value),
    read: (data) => readAttributes(table, data),
  };
}

/** A payload of a shape that nobody has described: bytes when it is read; attributes, or bytes, when it is written. */
const UNDESCRIBED: AttributeKind<Uint8Array | Attributes> = {
  label: 'anything',
  min: 0,
  max: MAX_PAYLOAD,
  nested: false,
  table: () => NO_POLICY as Policy,
  write(writer: MessageWriter, value: Uint8Array | Attributes): void {
    if (value instanceof Uint8Array) writer.raw(value);
    else writeAttributes(writer, NO_POLICY, value);
  },
  read: (data) => data.slice(),
};

/**
 * A payload whose shape a text attribute beside it tells: `IFLA_INFO_DATA` by `IFLA_INFO_KIND`, `TCA_OPTIONS` by `TCA_KIND`.
 * What has a kind that the list lacks is read as bytes (it may be attributes or a struct), and written from either.
 * @param key where the values have the attribute that decides
 */
export function byKind(key: string, kinds: Readonly<Record<string, AttributeKind>>): AttributeKind {
  const choose = (siblings: Readonly<Record<string, unknown>>): AttributeKind => {
    const name = String(siblings[key]);
    return (Object.hasOwn(kinds, name) ? kinds[name] : undefined) ?? UNDESCRIBED;
  };
  return {
    label: `what ${key} says`,
    min: 0,
    max: MAX_PAYLOAD,
    nested: false,
    variants: { by: key, kinds },
    table: (siblings) => choose(siblings).table?.(siblings),
    write: (writer, value, siblings) => choose(siblings).write(writer, value, siblings),
    read(data: Uint8Array, siblings): unknown {
      const kind = choose(siblings);
      if (data.length < kind.min || data.length > kind.max) {
        throw malformed(`${String(siblings[key])} has options of ${data.length} bytes, and must have ${kind.label}`);
      }
      return kind.read(data, siblings);
    },
  };
}

/** An attribute that stands once for each element. */
export function repeated<V>(kind: AttributeKind<V>): AttributeKind<readonly V[]> {
  return { ...kind, repeated: true } as unknown as AttributeKind<readonly V[]>;
}

/** A nest of attributes numbered from 1, one for each element: lists of actions. */
export function list<V>(kind: AttributeKind<V>): AttributeKind<readonly V[]> {
  return {
    label: `a list of ${kind.label}`,
    min: 0,
    max: MAX_PAYLOAD,
    nested: true,
    element: kind as AttributeKind,
    write(writer: MessageWriter, values: readonly V[]): void {
      for (const [index, value] of values.entries()) {
        const at = writer.open(kind.nested ? (index + 1) | NESTED : index + 1, `[${index + 1}]`);
        kind.write(writer, value, {});
        writer.close(at);
      }
    },
    read: (data) =>
      Array.from(walkAttributes(data), ({ data: element }) => {
        if (element.length < kind.min || element.length > kind.max)
          throw malformed(`an element of ${element.length} bytes must be ${kind.label}`);
        return kind.read(element, {});
      }),
  };
}

/** A kind of integer whose values have names; numbers without one stay numbers, both ways. */
export function named<N extends string>(
  kind: AttributeKind<number>,
  names: Readonly<Record<N, number>>,
): AttributeKind<N | number> {
  const byValue = new Map(Object.entries<number>(names).map(([name, value]) => [value, name as N]));
  return {
    ...kind,
    label: `${kind.label}: ${Object.keys(names).join(', ')}`,
    write(writer: MessageWriter, value: N | number): void {
      const number = typeof value === 'string' && Object.hasOwn(names, value) ? names[value] : value;
      if (typeof number === 'string') throw writer.refuse(`is ${number}`, `known are ${Object.keys(names).join(', ')}`);
      kind.write(writer, number, {});
    },
    read(data: Uint8Array): N | number {
      const number = kind.read(data, {});
      return byValue.get(number) ?? number;
    },
  };
}

/** A byte that is a truth value. */
export const bool: AttributeKind<boolean> = {
  label: 'bool',
  min: 1,
  max: 1,
  nested: false,
  write(writer: MessageWriter, value: boolean): void {
    if (typeof value !== 'boolean') throw writer.refuse(`is ${String(value)}, and must be true or false`);
    writer.u8(value ? 1 : 0);
  },
  read: (data) => data[0] !== 0,
};
