import { errnoName } from '../errno.ts';
import type { Acknowledgement } from './ack.ts';
import { NLM_F, NLMSG, typeName, type Message, type MessageFormat } from './message.ts';

/** Where the lines of `NETLINK_DEBUG=1` go. */
export type DebugSink = (line: string) => void;

/** The sink that the environment asks for: standard error where `NETLINK_DEBUG` is `1`, else none. */
export function debugFromEnvironment(): DebugSink | undefined {
  return process.env['NETLINK_DEBUG'] === '1' ? (line) => process.stderr.write(`${line}\n`) : undefined;
}

/** One line about a message: direction, type, sequence, flags as numbers have them, fixed struct and attributes. */
export function describeMessage(
  direction: '>' | '<',
  format: MessageFormat,
  message: Omit<Message, 'type'> & { readonly type: number },
  sequence: number,
): string {
  const { type, flags, header, attributes } = message;
  return `${direction} ${typeName(format, type)} seq ${sequence} flags ${flagNames(flags, direction)} ${show(header)} ${show(attributes)}`;
}

/** One line about the end of an answer: whether it is an acknowledgement or the end of a list, the error, and what the kernel says to it. */
export function describeEnd(type: number, { result, extended }: Acknowledgement, sequence: number): string {
  const outcome = result < 0 ? errnoName(result) : 'ok';
  return `< ${type === NLMSG.DONE ? 'DONE' : 'ACK'} seq ${sequence} ${outcome} ${show(extended)}`;
}

const REQUEST_FLAGS = {
  REQUEST: NLM_F.REQUEST,
  ACK: NLM_F.ACK,
  ECHO: NLM_F.ECHO,
  DUMP: NLM_F.DUMP,
  REPLACE: NLM_F.REPLACE,
  EXCL: NLM_F.EXCL,
  CREATE: NLM_F.CREATE,
  APPEND: NLM_F.APPEND,
};
const REPLY_FLAGS = { MULTI: NLM_F.MULTI, DUMP_INTR: NLM_F.DUMP_INTR, DUMP_FILTERED: NLM_F.DUMP_FILTERED };

function flagNames(flags: number, direction: '>' | '<'): string {
  let rest = flags;
  const names: string[] = [];
  const table: Readonly<Record<string, number>> = direction === '>' ? REQUEST_FLAGS : REPLY_FLAGS;
  for (const [name, bits] of Object.entries(table)) {
    if ((rest & bits) !== bits) continue;
    names.push(name);
    rest &= ~bits;
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`);
  return names.join('|') || '0';
}

/** A value in one line: bytes as hexadecimal digits, long ones cut. */
function show(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return part.toString();
    if (!(part instanceof Uint8Array)) return part;
    const digits = Buffer.from(part.buffer, part.byteOffset, Math.min(part.length, 64)).toString('hex');
    return part.length > 64 ? `${digits}… (${part.length} bytes)` : digits;
  });
}
