/*
 * Text of addresses. The parsers fill `into` from `at` and return true, or return false and write nothing: a caller's buffer
 * never holds half an address. They are strict: no blanks, no zone, no leading zeros in IPv4 (which some systems read as octal).
 */

const DOT = 0x2e;
const COLON = 0x3a;

/** Value of a hexadecimal digit by its character code, or -1. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Parses six groups of two hexadecimal digits with colons between. */
export function parseMac(text: string, into: Uint8Array, at: number): boolean {
  if (text.length !== 17) return false;
  for (let i = 0; i < 17; i++) {
    const code = text.charCodeAt(i);
    if (i % 3 === 2 ? code !== COLON : hexDigit(code) < 0) return false;
  }
  for (let i = 0; i < 6; i++) {
    into[at + i] = (hexDigit(text.charCodeAt(3 * i)) << 4) | hexDigit(text.charCodeAt(3 * i + 1));
  }
  return true;
}

/** The inverse of {@link parseMac}, in lower case. */
export function formatMac(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let i = 0; i < 6; i++) text += (i === 0 ? '' : ':') + (bytes[at + i] ?? 0).toString(16).padStart(2, '0');
  return text;
}

/** The 32 bits of the IPv4 address in `text` from `from` to its end, or -1. */
function ipv4Value(text: string, from: number): number {
  let value = 0;
  let octet = -1;
  let octets = 0;
  for (let i = from; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (octet < 0 || octets === 4) return -1;
      value = value * 256 + octet;
      octets++;
      octet = -1;
    } else {
      if (code < 0x30 || code > 0x39 || octet === 0) return -1;
      octet = (octet < 0 ? 0 : octet) * 10 + code - 0x30;
      if (octet > 255) return -1;
    }
  }
  return octets === 4 ? value : -1;
}

/** Parses four decimal numbers with dots between. */
export function parseIpv4(text: string, into: Uint8Array, at: number): boolean {
  const value = ipv4Value(text, 0);
  if (value < 0) return false;
  for (let i = 0; i < 4; i++) into[at + i] = value >>> (24 - 8 * i);
  return true;
}

/** The inverse of {@link parseIpv4}. */
export function formatIpv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at] ?? 0}.${bytes[at + 1] ?? 0}.${bytes[at + 2] ?? 0}.${bytes[at + 3] ?? 0}`;
}

/** Parses the text forms of RFC 4291 section 2.2: eight groups, `::` for one run of zeros, an IPv4 address as the last 32 bits. */
export function parseIpv6(text: string, into: Uint8Array, at: number): boolean {
  const groups = ipv6Groups(text);
  if (groups === undefined) return false;
  for (let i = 0; i < 8; i++) {
    const group = groups[i] ?? 0;
    into[at + 2 * i] = group >> 8;
    into[at + 2 * i + 1] = group;
  }
  return true;
}

const ZERO_GROUPS: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0];

function ipv6Groups(text: string): number[] | undefined {
  // The longest form is eight groups of which the last two are written as IPv4.
  if (text.length < 2 || text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [before = '', after] = halves;
  const head = groupsOf(before, after === undefined);
  if (after === undefined) return head?.length === 8 ? head : undefined;
  const tail = groupsOf(after, true);
  if (head === undefined || tail === undefined || head.length + tail.length > 7) return undefined;
  return [...head, ...ZERO_GROUPS.slice(head.length + tail.length), ...tail];
}

/** The groups of one side of `::`; only the end of the address may be written as IPv4. */
function groupsOf(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (last && i === parts.length - 1 && part.includes('.')) {
      const value = ipv4Value(part, 0);
      if (value < 0) return undefined;
      groups.push(Math.floor(value / 0x10000), value % 0x10000);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/**
 * Formats as RFC 5952 says: lower case, no leading zeros, the longest run of two or more zero groups (the first of equal ones) as
 * `::`, and the IPv4-mapped prefix `::ffff:0:0/96` with dots (section 5).
 */
export function formatIpv6(bytes: Uint8Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[at + i] ?? 0) << 8) | (bytes[at + i + 1] ?? 0));
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0))
    return `::ffff:${formatIpv4(bytes, at + 12)}`;
  let start = 8;
  let longest = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > longest) {
      start = i;
      longest = end - i;
    }
    i = Math.max(i, end);
  }
  const join = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  return start === 8 ? join(groups) : `${join(groups.slice(0, start))}::${join(groups.slice(start + longest))}`;
}
