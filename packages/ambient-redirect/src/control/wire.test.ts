import fc from 'fast-check';
import { NetlinkTcError, isNetlinkTcError } from 'netlink-tc';
import { expect, test } from 'vitest';
import { AmbientRedirectError, isAmbientRedirectError } from '../error.ts';
import { decodeLine, encodeLine } from './wire.ts';

const name = fc.stringMatching(/^[a-z]{1,6}$/);

test('what JSON can say, and bigints by any name, arrive as they were', () => {
  const member = fc.oneof(fc.jsonValue(), fc.bigInt());
  const document = fc.dictionary(
    fc.oneof(
      name.map((one) => `${one}_`),
      name,
    ),
    member,
  );
  fc.assert(
    fc.property(document, (given) => {
      const bigints = new Set(Object.keys(given).filter((key) => typeof given[key] === 'bigint'));
      // A string of digits by the name of a bigint becomes one: no document of ours has both.
      fc.pre(!hasText(given, bigints));
      const line = encodeLine({ kind: 'result', value: given });
      expect(line.indexOf('\n')).toBe(line.length - 1);
      expect(decodeLine(line)['value']).toEqual(JSON.parse(JSON.stringify({ value: given }, keep), back).value);
    }),
  );
});

const keep = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? { bigint: String(value) } : value);
const back = (_: string, value: unknown): unknown => {
  const isBigint = typeof value === 'object' && value !== null && Object.keys(value).join() === 'bigint';
  return isBigint ? BigInt((value as { bigint: string }).bigint) : value;
};
function hasText(value: unknown, names: ReadonlySet<string>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([key, member]) =>
      key === 'bigint' ||
      key === '$error' ||
      key === '$bytes' ||
      (names.has(key) && typeof member !== 'bigint') ||
      hasText(member, names),
  );
}

test('bigints are decimal strings, and named', () => {
  const line = encodeLine({ kind: 'event', event: { time: 12345678901234567890n, port: 80 } });
  expect(line).toBe('{"kind":"event","event":{"time":"12345678901234567890","port":80},"bigints":["time"]}\n');
  expect(decodeLine(line)).toEqual({ kind: 'event', event: { time: 12345678901234567890n, port: 80 } });
});

test('bytes arrive as bytes', () => {
  const line = encodeLine({ kind: 'event', event: { packet: Uint8Array.of(0, 255), same: Buffer.of(1) } });
  expect(line).toBe('{"kind":"event","event":{"packet":{"$bytes":"AP8="},"same":{"$bytes":"AQ=="}}}\n');
  expect(decodeLine(line)['event']).toEqual({ packet: Uint8Array.of(0, 255), same: Uint8Array.of(1) });
});

test('errors keep all that they know, and are told by the guards', () => {
  const cause = new NetlinkTcError('ERR_PERMISSION', 'cannot attach', { errno: 1, syscall: 'bpf', hint: 'be root' });
  const one = new AmbientRedirectError('ERR_NETNS_GONE', 'it is gone', { hint: 'look', candidates: ['a'], cause });
  const all = new AmbientRedirectError('ERR_ENROLMENT', 'one of 2', { failures: [{ id: 'x', error: one }] });
  const { error } = decodeLine(encodeLine({ kind: 'error', error: all }));
  if (!isAmbientRedirectError(error, 'ERR_ENROLMENT')) throw new Error('it is not told');
  expect(error.message).toBe(all.message);
  const failure = error.failures?.[0]?.error;
  if (!isAmbientRedirectError(failure, 'ERR_NETNS_GONE')) throw new Error('it is not told');
  expect(failure).toMatchObject({ message: 'it is gone; look', hint: 'look', candidates: ['a'] });
  expect(isNetlinkTcError(failure.cause, 'ERR_PERMISSION')).toBe(true);
  expect(failure.cause).toMatchObject({ errno: 1, syscall: 'bpf', message: cause.message });
});

test.each(['', '{', '[]', 'null', '"text"'])('no document: %s', (text) => {
  expect(() => decodeLine(text)).toThrow(SyntaxError);
});
