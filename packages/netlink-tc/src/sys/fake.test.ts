import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { createFakeSys } from './fake.ts';

test('records copies of what it was given, and answers as told', () => {
  const sys = createFakeSys({ answer: (name) => (name === 'socket' ? 7 : -constants.errno.EPERM) });
  const bytes = Uint8Array.of(1);
  expect(sys.call('socket', 16, 3, 0)).toBe(7);
  expect(sys.call('write', 7, bytes, 1)).toBe(-constants.errno.EPERM);
  bytes[0] = 2;
  expect(sys.calls).toEqual([
    { name: 'socket', args: [16, 3, 0] },
    { name: 'write', args: [7, Uint8Array.of(1), 1] },
  ]);
});

test('an answer reads and writes the memory behind an address', () => {
  const key = Uint8Array.of(1, 2, 3);
  const sys = createFakeSys({
    answer: (_name, args, memory) => {
      memory.at(BigInt(args[0] as bigint)).set([9]);
      return 0;
    },
  });
  expect(sys.call('read', sys.addressOf(key) + 1n)).toBe(0);
  expect([...key]).toEqual([1, 9, 3]);
  expect(() => sys.call('read', 1n)).toThrow(/nothing lies at 1/);
});

test('without an answer everything is ENOSYS; closing always works', () => {
  const sys = createFakeSys();
  expect(sys.bpf(0, new Uint8Array(4))).toBe(-constants.errno.ENOSYS);
  sys.fds.own(5, 'thing').close();
  expect(sys.calls.at(-1)).toEqual({ name: 'close', args: [5] });
});

test('watches hear of their descriptor until they are closed', () => {
  const sys = createFakeSys();
  let calls = 0;
  const poll = sys.poll(3, () => {
    calls += 1;
  });
  sys.ready(3);
  sys.ready(4);
  poll.close();
  sys.ready(3);
  expect(calls).toBe(1);
});
