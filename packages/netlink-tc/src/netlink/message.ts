import type { Layout } from 'bpf-asm/layout';
import { NetlinkTcError } from '../error.ts';
import { LITTLE_ENDIAN } from './host.ts';
import { malformed, readAttributes, writeAttributes, type Attributes, type Policy } from './policy.ts';
import type { MessageWriter } from './writer.ts';

/** Bytes of `struct nlmsghdr`. */
export const MESSAGE_HEADER = 16;

/** Types of messages that every netlink family has (`linux/netlink.h`). */
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

/** Flags of messages (`linux/netlink.h`). Those of one value mean different things in different requests. */
export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  ECHO: 0x8,
  DUMP_INTR: 0x10,
  DUMP_FILTERED: 0x20,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
} as const;

/** `struct nlmsghdr`. */
export interface MessageHeader {
  /** Bytes of the message, this header included, without padding. */
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port of the sender, or of the one it answers. */
  readonly port: number;
}

/** What stands after the header of messages of some types: a fixed struct and attributes. */
export interface MessageFormat<H = object, A = object> {
  /** What the messages are about, for errors: `link`. */
  readonly noun: string;
  /** Layout of the fixed struct, in the machine's byte order. */
  readonly header: Layout<H, H>;
  readonly policy: Policy<A>;
  /** The netlink family whose sockets speak it; `NETLINK_ROUTE` (0) if left out. The same types mean other things in others. */
  readonly protocol?: number;
  /** Names of the types that have this format: `{ RTM_NEWLINK: 16 }`. */
  readonly types: Readonly<Record<string, number>>;
}

/** A message that was read. */
export interface Message<H = object, A = object> {
  readonly type: number;
  readonly flags: number;
  readonly header: H;
  readonly attributes: A;
}

/** A message to be sent. */
export interface MessageSpec<H = object, A = object> {
  readonly format: MessageFormat<H, A>;
  readonly type: number;
  readonly flags: number;
  /** Fields of the fixed struct; those left out are zero. */
  readonly header?: Partial<H>;
  readonly attributes?: A;
}

/**
 * Appends a message to what was written.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` when a value does not fit its field or attribute
 */
export function writeMessage<H extends object, A extends Attributes>(
  writer: MessageWriter,
  { format, type, flags, header = {}, attributes }: MessageSpec<H, A>,
  { sequence, port }: Pick<MessageHeader, 'sequence' | 'port'>,
): void {
  writer.align();
  const start = writer.reserve(MESSAGE_HEADER);
  writer.patchU16(start + 4, type);
  writer.patchU16(start + 6, flags);
  writer.patchU32(start + 8, sequence);
  writer.patchU32(start + 12, port);
  const { header: layout, policy } = format;
  const fields: H = { ...writer.zero(layout), ...header };
  const fault = layout.check(fields);
  if (fault !== undefined) {
    const hint = fault.hint === undefined ? {} : { hint: fault.hint };
    throw new NetlinkTcError(
      'ERR_INVALID_ARGUMENT',
      `${format.noun}: ${layout.label}${fault.path} ${fault.problem}`,
      hint,
    );
  }
  writer.struct(layout.size, (into, at) => layout.write(fields, into, at));
  writer.align();
  if (attributes !== undefined) writeAttributes(writer, policy, attributes);
  writer.patchU32(start, writer.length - start);
}

/** One message of a datagram: its header, and its payload as a view. */
export interface RawMessage {
  readonly header: MessageHeader;
  /** What stands after the header. */
  readonly payload: Uint8Array;
}

/**
 * Walks the messages of a datagram.
 * @throws NetlinkTcError `ERR_PROTOCOL` for a length that is too small, or leads past the end
 */
export function* walkMessages(datagram: Uint8Array): Generator<RawMessage> {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let at = 0;
  while (at < datagram.length) {
    const left = datagram.length - at;
    if (left < MESSAGE_HEADER) throw malformed(`${left} bytes are left after the last message`);
    const length = view.getUint32(at, LITTLE_ENDIAN);
    if (length < MESSAGE_HEADER || length > left) throw malformed(`a message of ${length} bytes has room for ${left}`);
    const header: MessageHeader = {
      length,
      type: view.getUint16(at + 4, LITTLE_ENDIAN),
      flags: view.getUint16(at + 6, LITTLE_ENDIAN),
      sequence: view.getUint32(at + 8, LITTLE_ENDIAN),
      port: view.getUint32(at + 12, LITTLE_ENDIAN),
    };
    yield { header, payload: datagram.subarray(at + MESSAGE_HEADER, at + length) };
    at += (length + 3) & ~3;
  }
}

/**
 * Reads the payload of a message by its format.
 * @param brief leaves out attributes that the format does not name
 * @throws NetlinkTcError `ERR_PROTOCOL` when it is shorter than the fixed struct, or an attribute is malformed
 */
export function readMessage<H, A extends Attributes>(
  format: MessageFormat<H, A>,
  raw: RawMessage,
  brief = false,
): Message<H, A> {
  const { header: layout, policy } = format;
  const { type, flags } = raw.header;
  if (raw.payload.length < layout.size) {
    throw malformed(`${raw.payload.length} bytes are too few for a ${format.noun}, which has ${layout.size}`);
  }
  const attributes = raw.payload.subarray(Math.min((layout.size + 3) & ~3, raw.payload.length));
  return { type, flags, header: layout.read(raw.payload, 0), attributes: readAttributes(policy, attributes, brief) };
}

/** The name of a message type: `RTM_NEWLINK`, or its number where the format does not name it. */
export function typeName(format: MessageFormat, type: number): string {
  return Object.entries(format.types).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
}
