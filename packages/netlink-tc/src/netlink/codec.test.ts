import fc from 'fast-check';
import { struct, u16 as layoutU16, u8 as layoutU8 } from 'bpf-asm/layout';
import { describe, expect, test } from 'vitest';
import { message } from '../../test/arbitrary.ts';
import { isNetlinkTcError, type NetlinkTcErrorCode } from '../error.ts';
import { native } from './host.ts';
import * as k from './kinds.ts';
import { readMessage, walkMessages, writeMessage, type MessageFormat } from './message.ts';
import { attributeAt } from './path.ts';
import { policy, readAttributes, walkAttributes, writeAttributes, type Attributes, type Policy } from './policy.ts';
import { MessageWriter } from './writer.ts';

interface Inner extends Attributes {
  readonly kind?: string | undefined;
  readonly data?: unknown;
}
interface Sample extends Attributes {
  readonly small?: number | undefined;
  readonly port?: number | undefined;
  readonly large?: bigint | undefined;
  readonly on?: true | undefined;
  readonly name?: string | undefined;
  readonly blob?: Uint8Array | undefined;
  readonly address?: string | undefined;
  readonly inner?: Inner | undefined;
  readonly names?: readonly string[] | undefined;
  readonly items?: readonly Inner[] | undefined;
  readonly mode?: 'a' | 'b' | number | undefined;
}
const BLUE: Policy<{ readonly depth?: number | undefined } & Attributes> = policy<
  { readonly depth?: number | undefined } & Attributes
>({
  depth: [3, 'BLUE_DEPTH', k.u32],
});
const INNER: Policy<Inner> = policy<Inner>({
  kind: [1, 'INNER_KIND', k.text(15)],
  data: [2, 'INNER_DATA', k.byKind('kind', { blue: k.nest(BLUE) as never }) as never],
});
const SAMPLE: Policy<Sample> = policy<Sample>({
  small: [1, 'SMALL', k.u8],
  port: [2, 'PORT', k.be16],
  large: [3, 'LARGE', k.u64],
  on: [4, 'ON', k.flag],
  name: [5, 'NAME', k.text(15)],
  blob: [6, 'BLOB', k.bytes(2, 4)],
  address: [7, 'ADDRESS', k.ip],
  inner: [8, 'INNER', k.nest(INNER)],
  names: [9, 'NAMES', k.repeated(k.text(15))],
  items: [10, 'ITEMS', k.list(k.nest(INNER))],
  mode: [11, 'MODE', k.named(k.u32, { a: 1, b: 2 })],
});
const HEADER = native(struct('sample', { family: layoutU8, index: layoutU16 }));
const FORMAT: MessageFormat<{ family: number; index: number }, Sample> = {
  noun: 'sample',
  header: HEADER,
  policy: SAMPLE,
  types: { NEW_SAMPLE: 64 },
};
const FULL: Sample = {
  small: 255,
  port: 80,
  large: 2n ** 64n - 1n,
  on: true,
  name: 'é',
  blob: Uint8Array.of(1, 2, 3),
  address: 'fd00::1',
  inner: { kind: 'blue', data: { depth: 7 } },
  names: ['x', 'y'],
  items: [{ kind: 'red', data: Uint8Array.of(5, 0, 9, 0, 1) }, { kind: 'blue' }],
  mode: 'b',
  unknown: [{ type: 99, data: Uint8Array.of(5), nested: true }],
};

function encode(values: Sample): Uint8Array {
  const writer = new MessageWriter(8);
  writeAttributes(writer, SAMPLE, values);
  return writer.bytes.slice();
}
function refused(values: unknown): unknown {
  try {
    encode(values as Sample);
  } catch (error) {
    return isNetlinkTcError(error, 'ERR_INVALID_ARGUMENT') ? `${error.attribute}: ${error.message}` : error;
  }
  return undefined;
}

test('the bytes of attributes: length, type, payload, padding, byte order', () => {
  expect(Buffer.from(encode({ small: 7, port: 80, name: 'ab' })).toString('hex')).toBe(
    ['0500010007000000', '0600020000500000', '0700050061620000'].join(''),
  );
});

test('every kind comes back as it went, unknown ones too', () => {
  expect(readAttributes(SAMPLE, encode(FULL))).toEqual(FULL);
  expect(encode(readAttributes(SAMPLE, encode(FULL)))).toEqual(encode(FULL));
});

test.each([
  [{ small: 256 }, /^SMALL: .*from 0 to 255/],
  [{ small: 1.5 }, /^SMALL/],
  [{ small: '1' }, /^SMALL/],
  [{ large: 5 }, /^LARGE: .*bigint/],
  [{ on: false }, /^ON: .*left out/],
  [{ name: 'x'.repeat(16) }, /^NAME: .*text of at most 15 bytes/],
  [{ name: 'a\0b' }, /^NAME: .*zero byte/],
  [{ name: 5 }, /^NAME: .*must be text/],
  [{ blob: Uint8Array.of(1) }, /^BLOB: .*2 to 4 bytes/],
  [{ blob: [1, 2] }, /^BLOB: .*Uint8Array/],
  [{ address: '1.2.3' }, /^ADDRESS: .*no IPv4 or IPv6 address/],
  [{ inner: { kind: 'blue', data: { depth: -1 } } }, /^INNER\.INNER_DATA\.BLUE_DEPTH: /],
  [{ items: [{}, { kind: 7 }] }, /^ITEMS\.\[2\]\.INNER_KIND: /],
  [{ mode: 'c' }, /^MODE: .*known are a, b/],
  [{ colour: 1 }, /has no attribute colour/],
  [{ unknown: [{ type: 0x4000, data: new Uint8Array() }] }, /no attribute of type 16384/],
])('%j is refused with its path', (values, expected) => {
  expect(refused(values)).toMatch(expected);
});

test('an attribute too long for its length field is refused', () => {
  expect(refused({ unknown: [{ type: 1, data: new Uint8Array(70_000) }] })).toMatch(/an attribute takes 65535 at most/);
});

describe('lengths that lie', () => {
  test.each([
    ['shorter than its header', '03000100'],
    ['zero', '00000100'],
    ['longer than what is there', '0900010000000000'],
    ['a rest that is no attribute', '050001000700000001'],
  ])('%s', (_what, hex) => {
    expect(() => [...walkAttributes(Buffer.from(hex, 'hex'))]).toThrow(/malformed netlink message/);
  });

  test('payloads outside the bounds of their kind', () => {
    expect(() => readAttributes(SAMPLE, Buffer.from('0600010007000000', 'hex'))).toThrow(
      /SMALL has 2 bytes, and must be u8/,
    );
    expect(() => readAttributes(SAMPLE, Buffer.from('04000300', 'hex'))).toThrow(/LARGE has 0 bytes/);
  });

  test('messages', () => {
    expect(() => [...walkMessages(new Uint8Array(15))]).toThrow(/15 bytes are left/);
    const long = message(64, new Uint8Array(4));
    long[0] = 0xff;
    expect(() => [...walkMessages(long)]).toThrow(/has room for/);
    const zero = message(64, new Uint8Array(4));
    zero[0] = 0;
    expect(() => [...walkMessages(zero)]).toThrow(/a message of 0 bytes/);
    for (const raw of walkMessages(message(64, new Uint8Array(2))))
      expect(() => readMessage(FORMAT, raw)).toThrow(/too few for a sample/);
  });
});

test('any bytes are read or refused, never worse; what is read is written and read again the same', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 96 }), (data) => {
      const values = orRefused('ERR_PROTOCOL', () => readAttributes(SAMPLE, data));
      // Text that is no UTF-8 and odd addresses can be read, and are refused when written.
      const again = values && orRefused('ERR_INVALID_ARGUMENT', () => encode(values));
      expect(again && readAttributes(SAMPLE, again)).toEqual(again && values);
    }),
    { numRuns: 2000 },
  );
});

function orRefused<T>(code: NetlinkTcErrorCode, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isNetlinkTcError(error, code)) return undefined;
    throw error;
  }
}

test('messages: header, struct, attributes, one after the other', () => {
  const writer = new MessageWriter();
  const spec = { format: FORMAT, type: 64, flags: 5, header: { index: 513 }, attributes: { small: 1 } };
  writeMessage(writer, spec, { sequence: 9, port: 8 });
  writeMessage(writer, { format: FORMAT, type: 64, flags: 0 }, { sequence: 10, port: 8 });
  const [first, second] = [...walkMessages(writer.bytes)];
  expect(first?.header).toEqual({ length: 28, type: 64, flags: 5, sequence: 9, port: 8 });
  expect(first && readMessage(FORMAT, first)).toEqual({
    type: 64,
    flags: 5,
    header: { family: 0, index: 513 },
    attributes: { small: 1 },
  });
  expect(second?.header).toMatchObject({ length: 20, sequence: 10 });
  expect(() => writeMessage(writer, { ...spec, header: { index: 65536 } }, { sequence: 1, port: 1 })).toThrow(
    /sample: sample\.index/,
  );
});

test('an offset leads to the path of its attribute, through nests that depend on others', () => {
  const writer = new MessageWriter();
  const attributes: Sample = {
    name: 'n',
    inner: { kind: 'blue', data: { depth: 1 } },
    items: [{ kind: 'red' }, { kind: 'blue', data: { depth: 2 } }],
  };
  writeMessage(writer, { format: FORMAT, type: 64, flags: 0, attributes }, { sequence: 1, port: 1 });
  const paths = new Set<string | undefined>();
  for (let offset = 0; offset < writer.length + 4; offset += 4)
    paths.add(attributeAt(FORMAT, writer.bytes, offset)?.path);
  expect([...paths]).toEqual([
    undefined,
    '',
    'NAME',
    'INNER',
    'INNER.INNER_KIND',
    'INNER.INNER_DATA',
    'INNER.INNER_DATA.BLUE_DEPTH',
    'ITEMS',
    'ITEMS.[1]',
    'ITEMS.[1].INNER_KIND',
    'ITEMS.[2]',
    'ITEMS.[2].INNER_KIND',
    'ITEMS.[2].INNER_DATA',
    'ITEMS.[2].INNER_DATA.BLUE_DEPTH',
  ]);
});
