import { describe, expect, test } from 'vitest';
import { refused } from '../../test/language.ts';
import { struct, u32, u64 } from '../layout/index.ts';
import { runProgram } from '../vm/index.ts';
import { Ethernet, firstBytes, schedCls, skLookup, when, xdp } from './index.ts';

const Word = struct('word', { value: u32 });

describe('what a program may not call', () => {
  test('by its licence', () => {
    const error = refused((tools) => {
      // @ts-expect-error the type has no GPL-only helpers under this licence
      tools.helpers.tracePrintk(tools.record(Word));
    }, 'ERR_LICENCE');
    expect(error.message).toMatch(/the helper trace_printk is for GPL-compatible programs, and this one is Apache-2.0/);
    expect(error.hint).toMatch(/ring buffer/);
    expect(error.source?.file).toMatch(/helper-functions\.test\.ts$/);
    const program = schedCls('gpl', { licence: 'GPL' }, ({ helpers, record, next }) => {
      helpers.tracePrintk(record(Word));
      return next();
    });
    expect(program.licence).toBe('GPL');
  });

  test('by its type', () => {
    expect(() =>
      xdp('peer', { licence: 'Apache-2.0' }, (tools) => {
        // @ts-expect-error an XDP program cannot redirect to a peer
        tools.helpers.redirectPeer(1, 0);
        return tools.pass();
      }),
    ).toThrow(/programs of type xdp do not have the helper redirect_peer/);
    expect(() =>
      skLookup('redirects', { licence: 'Apache-2.0' }, ({ helpers, pass }) => {
        (helpers as unknown as { redirect: (ifindex: number, flags: number) => void }).redirect(1, 0);
        return pass();
      }),
    ).toThrow(/programs that have it: /);
  });
});

describe('arguments', () => {
  test('are filled in where they follow from others', () => {
    const program = schedCls('load', { licence: 'Apache-2.0' }, ({ skb, helpers, room, drop, ret }) => {
      const word = room(Word);
      when(helpers.skbLoadBytes(12, word).lt(0), drop);
      skb.parse(Ethernet, drop);
      return ret(word.value);
    });
    const packet = Uint8Array.from({ length: 20 }, (_, i) => i);
    expect(runProgram(program, { packet }).r0).toBe(0x0f0e0d0cn);
  });

  test('may be as many bytes as the program says', () => {
    const program = schedCls('some', { licence: 'Apache-2.0' }, ({ skb, helpers, record, drop, ret }) => {
      const word = record(Word);
      when(helpers.skbLoadBytes(1, firstBytes(word, skb.len.sub(1).and(3))).lt(0), drop);
      return ret(word.value);
    });
    const packet = Uint8Array.of(...new Uint8Array(20).map((_, i) => i));
    expect([2, 3, 4].map((length) => runProgram(program, { packet: packet.subarray(0, length) }).r0)).toEqual([
      0x01n,
      0x0201n,
      0x030201n,
    ]);
    const copied = refused((tools) => {
      const eth = tools.skb.parse(Ethernet, tools.next);
      firstBytes(eth.source.copy(), tools.skb.len);
    });
    expect(copied.message).toMatch(/a copy of bytes is no memory/);
  });

  test('of any kind of number, signed ones by their sign', () => {
    const program = schedCls('numbers', { licence: 'Apache-2.0' }, ({ skb, helpers, value, drop, ret }) => {
      when(helpers.skbChangeTail(value(u32, 20), 0).ne(0), drop);
      return ret(helpers.getPrandomU32().and(0).add(skb.len));
    });
    expect(runProgram(program, { packet: new Uint8Array(60) }).verdict).toBe(20);
  });

  test.each([
    ['what is no number', ({ helpers }: Tools) => helpers.redirect('x' as never, 0), /"x" is no number that a register holds/],
    ['what is no memory', ({ helpers }: Tools) => helpers.skbLoadBytes(0, 5 as never), /skb_load_bytes wants memory, and got 5/],
    ['what is no map', ({ helpers }: Tools) => helpers.ringbufQuery({} as never, 0), /ringbuf_query wants a map/],
    ['what is no socket', ({ helpers }: Tools) => helpers.skAssign({} as never, 0), /sk_assign wants a socket/],
    ['too much', ({ helpers }: Tools) => (helpers.redirect as (...args: number[]) => unknown)(1, 0, 0), /redirect was given 1 arguments too many/],
  ] as const)('are refused: %s', (_what, wrong, message) => {
    expect(refused(wrong).message).toMatch(message);
  }); // prettier-ignore

  test('have results of their types', () => {
    schedCls('results', { licence: 'Apache-2.0' }, ({ helpers, next }) => {
      expect([helpers.ktimeGetNs().type, helpers.getHashRecalc().type, helpers.skbChangeType(0).type]).toEqual([
        'u64',
        'u32',
        'i64',
      ]);
      return next();
    });
    expect(u64.size).toBe(8);
  });
});

type Tools = Parameters<Parameters<typeof refused>[0]>[0];
