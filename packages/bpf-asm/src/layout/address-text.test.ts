import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4, formatIpv6, formatMac, parseIpv4, parseIpv6, parseMac } from './address-text.ts';

const parse = (
  parser: (text: string, into: Uint8Array, at: number) => boolean,
  size: number,
  text: string,
): string | undefined => {
  const bytes = new Uint8Array(size + 2).fill(0xaa);
  const done = parser(text, bytes, 1);
  expect([bytes[0], bytes[size + 1]]).toEqual([0xaa, 0xaa]);
  if (!done) expect(bytes).toEqual(new Uint8Array(size + 2).fill(0xaa));
  return done ? Buffer.from(bytes.subarray(1, size + 1)).toString('hex') : undefined;
};
const ipv6Of = (hex: string): string => formatIpv6(Buffer.from(hex, 'hex'), 0);

describe('IPv6 text', () => {
  // RFC 4291 section 2.2 and RFC 5952 sections 1 and 4.
  it.each([
    ['2001:db8:0:0:8:800:200c:417a', '20010db80000000000080800200c417a', '2001:db8::8:800:200c:417a'],
    ['2001:DB8::8:800:200C:417A', '20010db80000000000080800200c417a', '2001:db8::8:800:200c:417a'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '20010000000000010000000000000001', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304', '1:2:3:4:5:6:102:304'],
    ['0:0:0:0:0:0:0:8', '00000000000000000000000000000008', '::8'],
    ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '00000002000300040005000600070008', '0:2:3:4:5:6:7:8'],
  ])('%s', (text, hex, canonical) => {
    expect(parse(parseIpv6, 16, text)).toBe(hex);
    expect(ipv6Of(hex)).toBe(canonical);
  });

  it.each([
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    ' ::1',
    '::1 ',
    ':1::',
    '1.2.3.4',
    '::1.2.3',
    '::1.2.3.256',
    '::01.2.3.4',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    'fe80::1%eth0',
    '::1/64',
    '1:2:3:4::5:6:7:8',
    `::${':0'.repeat(40)}`,
  ])('refuses %j', (text) => {
    expect(parse(parseIpv6, 16, text)).toBeUndefined();
  });

  it('gives back every address, in the form that the URL standard serialises', () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const hex = groups.map((g) => g.toString(16).padStart(4, '0')).join('');
        const text = ipv6Of(hex);
        expect(parse(parseIpv6, 16, text)).toBe(hex);
        // That standard has no dots: ask it about the form without them.
        const standard = new URL(`http://[${hex.replace(/(....)(?!$)/g, '$1:')}]`).hostname;
        expect(text.includes('.') ? new URL(`http://[${text}]`).hostname : `[${text}]`).toBe(standard);
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees with the system on what is an address', () => {
    const piece = fc.constantFrom(':', '::', '0', '1', 'ffff', '00001', '1.2.3.4', 'g', '.', '');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 18 }), (pieces) => {
        const text = pieces.join('');
        expect(parse(parseIpv6, 16, text) !== undefined).toBe(isIPv6(text));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('IPv4 text', () => {
  it('gives back every address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
        expect(parse(parseIpv4, 4, formatIpv4(bytes, 0))).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
    expect(parse(parseIpv4, 4, '192.168.0.255')).toBe('c0a800ff');
  });

  it('agrees with the system on what is an address', () => {
    const piece = fc.constantFrom('.', '0', '1', '25', '255', '256', '00', '01', ' ', 'a', '-1', '');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
        expect(parse(parseIpv4, 4, pieces.join('')) !== undefined).toBe(isIPv4(pieces.join('')));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('MAC text', () => {
  it('gives back every address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
        const text = formatMac(bytes, 0);
        expect(text).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
        expect(parse(parseMac, 6, text)).toBe(Buffer.from(bytes).toString('hex'));
        expect(parse(parseMac, 6, text.toUpperCase())).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  it.each([
    '',
    '02:00:00:00:00',
    '02:00:00:00:00:0g',
    '02-00-00-00-00-01',
    '2:0:0:0:0:1',
    '02:00:00:00:00:01:',
    '02:00:00:00:00:0:1',
  ])('refuses %j', (text) => {
    expect(parse(parseMac, 6, text)).toBeUndefined();
  });
});
