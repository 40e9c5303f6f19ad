import { expect, test } from 'vitest';
import { refused } from '../../test/language.ts';
import { struct, u32, u8 } from '../layout/index.ts';
import { runProgram } from '../vm/index.ts';
import { ringbufMap, schedCls, when } from './index.ts';

const ring = ringbufMap('ring', { size: 4096 });
const Event = struct('event', { length: u32, kind: u8 });
const value = { length: 1, kind: 2 } as const;

test('a record is filled by its layout and submitted, or discarded', () => {
  const program = schedCls('events', { licence: 'Apache-2.0' }, ({ skb, next, reserve }) => {
    reserve(ring, Event).ifPresent((event) => {
      when(
        skb.mark.eq(1),
        () => event.discard(),
        () => event.submit({ length: skb.len, kind: 7 }, 'always'),
      );
    });
    return next();
  });
  const packet = new Uint8Array(20);
  expect(
    runProgram(program, { packet }).events.map(({ data }) => Event.decode(data, 0, { checkPadding: true })),
  ).toEqual([{ length: 20, kind: 7 }]);
  expect(runProgram(program, { packet, context: { mark: 1 } }).events).toEqual([]);
});

test.each([
  ['not handled', ({ reserve }: Tools): void => { reserve(ring, Event); }, /the reservation in ring is not handled on this path/],
  ['only asked for', ({ reserve, next }: Tools): void => when(reserve(ring, Event).found, next), /must be given back if there is one/],
  ['forgotten', ({ reserve, next }: Tools) => reserve(ring, Event).orElse(next), /the record of ring is neither submitted nor discarded on this path/],
  ['forgotten in a block', ({ reserve }: Tools) => reserve(ring, Event).ifPresent(() => undefined), /neither submitted nor discarded/],
  ['forgotten on one path', ({ reserve, skb }: Tools) => reserve(ring, Event).ifPresent((event) => { when(skb.mark.eq(1), () => event.submit(value)); }), /dealt with on one of the paths that meet here, and not on another/],
  ['forgotten where the path ends', ({ reserve, skb, drop }: Tools) => reserve(ring, Event).ifPresent((event) => { when(skb.mark.eq(1), drop); event.submit(value); }), /neither submitted nor discarded/],
  ['submitted twice', ({ reserve }: Tools) => reserve(ring, Event).ifPresent((event) => { event.submit(value); event.discard(); }), /was dealt with already/],
] as const)('a record that is %s is an error', (_what, wrong, message) => {
  expect(refused(wrong).message).toMatch(message);
}); // prettier-ignore

type Tools = Parameters<Parameters<typeof refused>[0]>[0];
