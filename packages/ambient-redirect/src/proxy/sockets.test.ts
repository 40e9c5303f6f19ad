import fc from 'fast-check';
import { createFakeSys } from 'netlink-tc';
import { expect, test } from 'vitest';
import { isAmbientRedirectError } from '../error.ts';
import { normaliseAddress } from '../topology/index.ts';
import { decodeSockaddr, encodeSockaddr } from './sockets.ts';

const sys = createFakeSys();

test('socket addresses lie as the kernel has them', () => {
  const port = 15001;
  expect([...encodeSockaddr(sys, { address: '10.0.0.1', port })].slice(2)).toEqual([
    0x3a, 0x99, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
  ]);
  const ipv6 = encodeSockaddr(sys, { address: 'fd00::1', port });
  expect(ipv6).toHaveLength(28);
  expect([...ipv6].slice(2, 10)).toEqual([0x3a, 0x99, 0, 0, 0, 0, 0xfd, 0]);
  expect(ipv6[23]).toBe(1);
});

test('what is encoded decodes to the same', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(address, fc.nat(0xffff), (text, port) => {
      const decoded = decodeSockaddr(sys, encodeSockaddr(sys, { address: text, port }));
      expect(decoded).toEqual({ address: normaliseAddress(text), port });
    }),
  );
});

test.each([-1, 65_536, 1.5, Number.NaN])('%s is no port', (port) => {
  let code = '';
  try {
    encodeSockaddr(sys, { address: '10.0.0.1', port });
  } catch (error) {
    if (isAmbientRedirectError(error)) code = error.code;
  }
  expect(code).toBe('ERR_INVALID_ARGUMENT');
});
