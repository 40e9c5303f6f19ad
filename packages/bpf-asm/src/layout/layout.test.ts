import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { BpfAsmError, isBpfAsmError } from '../error.ts';
import { arbitraryLayout, arbitraryValue } from '../../test/arbitrary-layout.ts';
import {
  array,
  be16,
  be32,
  be64,
  bytes,
  i16,
  i64,
  i8,
  ipv4Address,
  ipv6Address,
  macAddress,
  string,
  struct,
  u16,
  u32,
  u64,
  u8,
  type AnyLayout,
  type InputOf,
  type ValueOf,
} from './index.ts';

const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');
const attempt = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};
const refusal = (run: () => unknown): BpfAsmError => {
  const error = attempt(run);
  if (!isBpfAsmError(error, 'ERR_LAYOUT')) throw new Error('it was not refused', { cause: error });
  return error;
};

const Range = struct('range', { low: be16, high: be16 });
const Key = struct('key', {
  family: u8,
  ports: array(Range, 3),
  mark: u32,
  owner: ipv4Address,
  name: string(6),
  cookie: u64,
});
const key: ValueOf<typeof Key> = {
  family: 2,
  ports: [{ low: 80, high: 81 }, { low: 443, high: 443 }, { low: 0, high: 65535 }],
  mark: 0x400,
  owner: '10.0.0.1',
  name: 'eth0',
  cookie: 1n << 40n,
}; // prettier-ignore

describe('a struct', () => {
  it('lays fields out as C does', () => {
    expect(Object.values(Key.fields).map(({ name, offset }) => [name, offset])).toEqual([
      ['family', 0],
      ['ports', 2],
      ['mark', 16],
      ['owner', 20],
      ['name', 24],
      ['cookie', 32],
    ]);
    expect([Key.size, Key.align]).toEqual([40, 8]);
    expect(Key.padding).toEqual([
      { offset: 1, size: 1 },
      { offset: 14, size: 2 },
      { offset: 30, size: 2 },
    ]);
  });

  it('encodes to the bytes that C would have', () => {
    const expected =
      '0200005000' +
      '5101bb01bb0000ffff' +
      '0000' +
      '00040000' +
      '0a000001' +
      '657468300000' +
      '0000' +
      '0000000000010000';
    expect(hex(Key.encode(key))).toBe(expected);
    expect(Key.decode(Key.encode(key))).toEqual(key);
  });

  it('turns the byte order of all but network fields', () => {
    const big = Key.forByteOrder('big');
    expect(hex(big.encode(key))).toBe(
      '02000050' +
        '005101bb01bb0000ffff' +
        '0000' +
        '00000400' +
        '0a000001' +
        '657468300000' +
        '0000' +
        '0000010000000000',
    );
    expect(big.decode(big.encode(key))).toEqual(key);
    expect(big.fields.mark.layout.byteOrder).toBe('big');
  });

  it('leaves no padding when packed', () => {
    const Header = struct(
      'header',
      { destination: macAddress, source: macAddress, type: be16, inner: struct('inner', { a: u8, b: u32 }) },
      { packed: true },
    );
    expect([Header.size, Header.align, Header.fields.inner.offset, Header.fields.inner.layout.fields.b.offset]).toEqual(
      [22, 1, 14, 4],
    );
  });

  it('has types for its fields', () => {
    expectTypeOf<ValueOf<typeof Key>>().toEqualTypeOf<{
      family: number;
      ports: { low: number; high: number }[];
      mark: number;
      owner: string;
      name: string;
      cookie: bigint;
    }>();
    expectTypeOf<InputOf<typeof Key>['owner']>().toEqualTypeOf<string | Uint8Array>();
    expectTypeOf(Key.fields.ports.layout.element.fields.low.layout.bits).toEqualTypeOf<8 | 16 | 32 | 64>();
    // @ts-expect-error: a misspelt field
    expect(() => Key.encode({ ...key, marc: 1, mark: undefined })).toThrow(BpfAsmError);
  });

  it('writes into a larger array, and zeroes stale padding', () => {
    const into = new Uint8Array(48).fill(0xff);
    expect(Key.encode(key, into, 4)).toBe(into);
    expect(hex(into.subarray(4, 44))).toBe(hex(Key.encode(key)));
    expect(hex(into)).toMatch(/^ffffffff.*ffffffff$/);
    expect(Key.decode(into, 4)).toEqual(key);
  });
});

describe('errors', () => {
  const into = new Uint8Array(40).fill(0xee);
  it.each([
    [
      'key.ports[2].low',
      { ...key, ports: [key.ports[0], key.ports[1], { low: 65536, high: 0 }] },
      /is 65536.*0 to 65535/,
    ],
    ['key.ports', { ...key, ports: [] }, /has 0 elements, and must have 3/],
    ['key.ports', { ...key, ports: 'abc' }, /must be an array/],
    ['key.ports[0].high', { ...key, ports: [{ low: 1 }, { low: 1, high: 1 }, { low: 1, high: 1 }] }, /is missing/],
    [
      'key.ports[1].extra',
      { ...key, ports: [key.ports[0], { low: 1, high: 1, extra: 1 }, key.ports[0]] },
      /is no field of struct range/,
    ],
    ['key.family', { ...key, family: -1 }, /is -1/],
    ['key.family', { ...key, family: 1.5 }, /is 1.5/],
    ['key.family', { ...key, family: Number.NaN }, /is NaN/],
    ['key.family', { ...key, family: '2' }, /is "2"/],
    ['key.mark', { ...key, mark: 1n }, /is 1n/],
    ['key.cookie', { ...key, cookie: 1 }, /64-bit values are bigints/],
    ['key.cookie', { ...key, cookie: 1n << 64n }, /is 18446744073709551616n/],
    ['key.owner', { ...key, owner: '10.0.0' }, /is no ipv4Address; write it like '10.0.0.1'/],
    ['key.owner', { ...key, owner: new Uint8Array(16) }, /has 16 bytes, and must have 4/],
    ['key.name', { ...key, name: 'eth0.5' }, /at most 5 bytes/],
    ['key.name', { ...key, name: 'é€x' }, /at most 5 bytes/],
    ['key.name', { ...key, name: 'a\0b' }, /without NUL/],
    ['key.name', { ...key, name: '\ud800' }, /without NUL/],
    ['key', null, /must be an object/],
    ['key', [], /must be an object/],
  ])('name the path %s and leave the bytes alone', (field, value, message) => {
    const error = refusal(() => Key.encode(value as never, into));
    expect(error.field).toBe(field);
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(field)).toBe(true);
    expect(into.every((byte) => byte === 0xee)).toBe(true);
  });

  it('are raised for bytes of another size', () => {
    expect(refusal(() => Key.decode(new Uint8Array(39))).message).toMatch(
      /takes 40 bytes and cannot be read at byte 0 of 39/,
    );
    expect(refusal(() => Key.decode(new Uint8Array(41))).message).toMatch(/takes 40 bytes, and 41 were given/);
    expect(refusal(() => Key.decode(new Uint8Array(41), 2)).message).toMatch(/at byte 2 of 41/);
    expect(refusal(() => Key.decode([] as never)).message).toMatch(/Uint8Array only/);
    expect(refusal(() => u8.decode(new Uint8Array(4), -1)).message).toMatch(/at byte -1/);
    expect(refusal(() => u32.encode(1, new Uint8Array(4), 1)).message).toMatch(/cannot be written at byte 1 of 4/);
    expect(refusal(() => u32.encode(1, new Uint8Array(4), 0.5)).message).toMatch(/at byte 0.5/);
    expect(refusal(() => bytes(4).encode(new Uint8Array(3))).message).toMatch(
      /bytes\(4\) has 3 bytes, and must have 4/,
    );
  });

  it('are raised for padding that is not zero, when asked', () => {
    const dirty = Key.encode(key);
    dirty[15] = 1;
    expect(Key.decode(dirty)).toEqual(key);
    expect(refusal(() => Key.decode(dirty, 0, { checkPadding: true })).message).toMatch(/^key has padding at byte 15/);
    const comm = Key.encode(key);
    comm[29] = 1;
    expect(Key.decode(comm)).toEqual(key);
    expect(refusal(() => Key.decode(comm, 0, { checkPadding: true })).field).toBe('key.name');
    const nested = struct('outer', { list: array(struct('inner', { a: u8, b: u16 }), 2) });
    expect(
      refusal(() => nested.decode(new Uint8Array([0, 0, 0, 0, 0, 9, 0, 0]), 0, { checkPadding: true })).field,
    ).toBe('outer.list[1]');
  });

  it.each([
    ['an array of none', () => array(u8, 0)],
    ['an array of a fraction', () => array(u8, 1.5)],
    ['an array beyond what BTF can describe', () => array(u64, 2 ** 28)],
    ['no bytes', () => bytes(0)],
    ['a string of NaN', () => string(Number.NaN)],
    ['a struct without a field', () => struct('empty', {})],
    ['a struct with the name of a keyword', () => struct('int', { a: u8 })],
    ['a field that is no name', () => struct('s', { 'a-b': u8 })],
    ['a field that begins with a digit', () => struct('s', { 1: u8 })],
    ['a field that would set a prototype', () => struct('s', { ['__proto__']: u8 })],
    ['a struct that is too large', () => struct('s', { a: bytes(2 ** 28), b: bytes(2 ** 28) })],
  ])('are raised for %s', (_, run) => {
    expect(refusal(run).code).toBe('ERR_LAYOUT');
  });
});

describe('leaves', () => {
  it.each<[AnyLayout, unknown, string]>([
    [u8, 255, 'ff'],
    [u16, 0x1234, '3412'],
    [u32, 0xfedc_ba98, '98badcfe'],
    [u64, 0xfedc_ba98_7654_3210n, '1032547698badcfe'],
    [i8, -2, 'fe'],
    [i16, -2, 'feff'],
    [i64, -2n, 'feffffffffffffff'],
    [be16, 0x1234, '1234'],
    [be32, 0xfedc_ba98, 'fedcba98'],
    [be64, 0xfedc_ba98_7654_3210n, 'fedcba9876543210'],
    [u64.forByteOrder('big'), 1n, '0000000000000001'],
    [macAddress, '02:00:00:00:00:2a', '02000000002a'],
    [ipv6Address, 'fd00::1', 'fd000000000000000000000000000001'],
    [string(8), 'hé€', '68c3a9e282ac0000'],
    [string(8), '\ufeffa', 'efbbbf6100000000'],
  ])('%s', (layout, value, expected) => {
    const encoded = layout.encode(value as never);
    expect(hex(encoded)).toBe(expected);
    expect(layout.decode(encoded)).toEqual(value);
  });

  it('takes addresses as bytes, and gives copies of bytes', () => {
    expect(hex(ipv4Address.encode(new Uint8Array([10, 0, 0, 1])))).toBe('0a000001');
    const source = new Uint8Array([1, 2, 3]);
    const copy = bytes(3).decode(source);
    source[0] = 9;
    expect(hex(copy)).toBe('010203');
    expect(string(4).decode(Buffer.from('abcd'))).toBe('abcd');
    expect(bytes(2).decode(Buffer.from('abcd'), 1).constructor).toBe(Uint8Array);
  });
});

it('gives back every value of every layout, with zero padding, in both byte orders', () => {
  const pair = arbitraryLayout.chain((layout) => fc.tuple(fc.constant(layout), arbitraryValue(layout)));
  fc.assert(
    fc.property(pair, fc.constantFrom('little' as const, 'big' as const), ([layout, value], byteOrder) => {
      const target = layout.forByteOrder(byteOrder);
      const into = new Uint8Array(target.size + 3).fill(0xff);
      target.encode(value as never, into, 2);
      expect(target.decode(into, 2, { checkPadding: true })).toEqual(value);
      expect(target.encode(target.decode(into, 2) as never)).toEqual(into.slice(2, 2 + target.size));
      expect([into[0], into[1], into[target.size + 2]]).toEqual([0xff, 0xff, 0xff]);
      expect(target.size % target.align).toBe(0);
    }),
    { numRuns: 500 },
  );
});

it('answers any value with bytes or with an error of its own', () => {
  fc.assert(
    fc.property(
      arbitraryLayout,
      fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true }),
      (layout, value) => {
        const outcome = attempt(() => layout.encode(value as never).length);
        expect(outcome === layout.size || isBpfAsmError(outcome, 'ERR_LAYOUT')).toBe(true);
      },
    ),
    { numRuns: 1000 },
  );
});
