import { describe, expect, test } from 'vitest';
import { refused } from '../../test/language.ts';
import { frame, ipv4, ipv6, MACS } from '../../test/packets.ts';
import { be16, struct, u8 } from '../layout/index.ts';
import { runProgram } from '../vm/index.ts';
import { Ethernet, IPv4, IPv6, match, Ports, schedCls, Tcp, Udp, Vlan, when, type Ended, type Ip } from './index.ts';

type Tools = Parameters<Parameters<typeof refused>[0]>[0];
const options = { licence: 'Apache-2.0' } as const;
const reads = (body: (tools: Tools) => Ended, packet: Uint8Array): number =>
  runProgram(schedCls('read', options, body), { packet }).verdict;

describe('parsing', () => {
  test('goes from header to header, behind options', () => {
    const port = ({ skb, drop, ret }: Tools): Ended => {
      skb.parse(Ethernet, drop);
      skb.parse(IPv4, drop);
      const tcp = skb.parse(Tcp, drop);
      return ret(tcp.destination.toHost());
    };
    for (const length of [0, 4, 40]) expect(reads(port, ipv4({ destinationPort: 8443, options: length }))).toBe(8443);
    expect(reads(port, ipv4({ options: 40 }).subarray(0, -1))).toBe(2);
  });

  test('goes on behind the options of TCP', () => {
    const Rest = struct('rest', { first: u8 }, { packed: true });
    const packet = new Uint8Array(14 + 20 + 24 + 1);
    packet.set(ipv4());
    packet[14 + 20 + 12] = 0x60;
    packet[14 + 20 + 24] = 99;
    expect(
      reads(({ skb, drop, ret }) => {
        skb.parse([Ethernet, IPv4], drop);
        skb.parse(Tcp, drop);
        return ret(skb.parse(Rest, drop).first);
      }, packet),
    ).toBe(99);
  });

  test('takes a run of headers with one check', () => {
    const program = schedCls('run', options, ({ skb, drop, ret }) => {
      const [eth, vlan, ip] = skb.parse([Ethernet, Vlan, IPv4], drop);
      return ret(eth.type.toHost().add(vlan.tag.toHost()).add(ip.ttl));
    });
    expect(program.instructions.filter(({ kind }) => kind === 'jump')).toHaveLength(1);
    expect(runProgram(program, { packet: ipv4({ vlan: 7 }) }).verdict).toBe(0x8100 + 7 + 64);
    expect(refused(({ skb, next }) => skb.parse([Ethernet, IPv4, Udp], next)).hint).toMatch(
      /parse what follows in a call of its own/,
    );
  });

  test('begins again by rewind', () => {
    expect(
      reads(({ skb, drop, ret }) => {
        skb.parse([Ethernet, IPv4], drop);
        skb.rewind();
        return ret(skb.parse(Ethernet, drop).type.toHost());
      }, ipv4()),
    ).toBe(0x0800);
  });

  test('says what a fragment is', () => {
    const program = schedCls('fragments', options, ({ skb, drop, ret }) => {
      const [, ip] = skb.parse([Ethernet, IPv4], drop);
      when(ip.isFirstFragment, () => ret(1));
      when(ip.isFragmentTail, () => ret(2));
      return when(
        ip.isFragment,
        () => ret(3),
        () => ret(4),
      );
    });
    const kind = (fragment: number): number => runProgram(program, { packet: ipv4({ fragment }) }).verdict;
    expect([kind(0), kind(0x4000), kind(0x2000), kind(0x2001), kind(0x0001)]).toEqual([4, 4, 1, 2, 2]);
  });

  test('finds what either version of IP carries', () => {
    const port = ({ skb, drop, ret }: Tools): Ended => {
      const eth = skb.parse(Ethernet, drop);
      return match(
        eth.type,
        { 0x0800: () => behind(skb.parse(IPv4, drop)), 0x86dd: () => behind(skb.parse(IPv6, drop)) },
        drop,
      );
      function behind(ip: Ip): Ended {
        const { protocol, hasPorts } = ip.transport(drop);
        return when(hasPorts, () => ret(skb.parse(Ports, drop).source.toHost().add(protocol)), drop);
      }
    };
    const fragment = (offset: number): [number, number[]] => [
      44,
      [0, 0, offset >> 5, (offset << 3) & 0xff, 0, 0, 0, 0],
    ];
    expect(reads(port, ipv4({ options: 8 }))).toBe(40006);
    expect(reads(port, ipv4({ fragment: 3 }))).toBe(2);
    expect(
      reads(
        port,
        ipv6({ extensions: [[0, new Array<number>(8).fill(0)], [43, new Array<number>(8).fill(0)], fragment(0)] }),
      ),
    ).toBe(40006);
    expect(reads(port, ipv6({ extensions: [fragment(1)] }))).toBe(2);
  });

  test('says of either version of IP whether it is a part', () => {
    const part = ({ skb, drop, ret }: Tools): Ended => {
      const eth = skb.parse(Ethernet, drop);
      const answer = (ip: Ip): Ended => when(ip.transport(drop).isFragment, () => ret(1), () => ret(0)); // prettier-ignore
      return match(
        eth.type,
        { 0x0800: () => answer(skb.parse(IPv4, drop)), 0x86dd: () => answer(skb.parse(IPv6, drop)) },
        drop,
      );
    };
    const fragment = (low: number): [number, number[]] => [44, [0, 0, 0, low, 0, 0, 0, 0]];
    expect([0, 0x4000, 0x2000, 0x2001, 1].map((flags) => reads(part, ipv4({ fragment: flags })))).toEqual([
      0, 0, 1, 1, 1,
    ]);
    // The two bits in between are reserved.
    expect([0, 6, 1, 9, 8].map((low) => reads(part, ipv6({ extensions: [fragment(low)] })))).toEqual([0, 0, 1, 1, 1]);
    expect(reads(part, ipv6())).toBe(0);
  });

  test('a loop may pull headers in and read them anew, if nothing was read before it', () => {
    const linear = schedCls('pull', options, ({ skb, ret, drop, helpers, repeat }) => {
      repeat(
        2,
        (_round, { again }) => {
          const short = (): Ended => {
            helpers.skbPullData(skb.len);
            return again();
          };
          const [, ip] = skb.parse([Ethernet, IPv4], short);
          return ret(ip.protocol);
        },
        { as: 'bounded' },
      );
      return drop();
    });
    const verdict = (packet: Uint8Array, direct: number): number =>
      runProgram(linear, { packet, linear: direct }).verdict;
    expect([verdict(ipv4(), 54), verdict(ipv4(), 20), verdict(ipv4().subarray(0, 33), 14)]).toEqual([6, 6, 2]);
  });
});

describe('writing', () => {
  test('reads everything before it writes anything', () => {
    const program = schedCls('swap', options, ({ skb, drop, next }) => {
      const eth = skb.parse(Ethernet, drop);
      eth.set({ destination: eth.source, source: eth.destination });
      return next();
    });
    const { packet } = runProgram(program, { packet: frame(0x0800, new Uint8Array(20)) });
    expect(Ethernet.decode((packet as Uint8Array).slice(0, 14))).toEqual({
      destination: MACS.source,
      source: MACS.destination,
      type: 0x0800,
    });
  });

  test('keeps a copy of what a helper may move', () => {
    const program = schedCls('clone', options, ({ skb, drop, next, helpers }) => {
      const eth = skb.parse(Ethernet, drop);
      const saved = eth.destination.copy();
      eth.set({ destination: '02:00:00:00:00:99' });
      helpers.cloneRedirect(9, 0);
      skb.parse(Ethernet, drop).set({ destination: saved });
      return next();
    });
    const sent = frame(0x0800, new Uint8Array(20));
    const { packet, clones } = runProgram(program, { packet: sent });
    expect(packet).toEqual(sent);
    expect(Ethernet.decode((clones[0] as { packet: Uint8Array }).packet.slice(0, 14)).destination).toBe(
      '02:00:00:00:00:99',
    );
  });
});

describe('old pointers', () => {
  test('are an error after a helper that may move the packet, with the lines', () => {
    const error = refused(({ skb, next, helpers }) => {
      const eth = skb.parse(Ethernet, next);
      helpers.skbPullData(100);
      when(eth.type.eq(1), next);
    });
    expect(error.message).toMatch(
      /this header was parsed before skb_pull_data at .*packet\.test\.ts:\d+, which may move the packet/,
    );
    expect(error.hint).toBe('parse again after skb_pull_data');
    expect(error.source?.file).toMatch(/packet\.test\.ts$/);
  });

  test('are an error too where the helper was called on one path, in a function, or in an earlier round', () => {
    const late = /parse(d)? (again after|in the loop)|was parsed before/;
    expect(
      refused(({ skb, next, helpers }) => {
        const eth = skb.parse(Ethernet, next);
        when(skb.mark.eq(1), () => void helpers.skbPullData(100));
        when(eth.type.eq(1), next);
      }).message,
    ).toMatch(late);
    expect(
      refused(({ skb, next, helpers, func }) => {
        const eth = skb.parse(Ethernet, next);
        const pull = func('pull', [be16], be16, (one) => { helpers.skbPullData(100); return one; }, { context: true });
        when(pull(1).eq(eth.type), next);
      }).message,
    ).toMatch(late);
    expect(
      refused(({ skb, next, helpers, repeat }) => {
        const eth = skb.parse(Ethernet, next);
        repeat(3, () => { when(eth.type.eq(1), next); helpers.skbPullData(100); }, { as: 'bounded' });
      }).message,
    ).toMatch(/a header that was parsed before the loop is used in it/);
  }); // prettier-ignore

  test('are good where the path with the helper has ended, and parsing again is enough', () => {
    expect(
      reads(({ skb, drop, ret, helpers }) => {
        const eth = skb.parse(Ethernet, drop);
        when(skb.mark.eq(1), () => {
          helpers.skbPullData(100);
          return drop();
        });
        const before = eth.type;
        helpers.skbPullData(14);
        return ret(skb.parse(Ethernet, drop).type.toHost().sub(before.toHost()).add(5));
      }, ipv4()),
    ).toBe(5);
  });
});

describe('places', () => {
  test('that differ where paths meet are an error', () => {
    const error = refused(({ skb, next }) => {
      const eth = skb.parse(Ethernet, next);
      when(eth.type.eq(0x8100), () => void skb.parse(Vlan, next));
      skb.parse(IPv4, next);
    });
    expect(error.message).toMatch(/the paths that meet here stand at different places of the packet/);
  });

  test('that move on in a loop are an error unless it is unrolled', () => {
    const tags =
      (as: 'unrolled' | 'bounded') =>
      ({ skb, next, repeat }: Tools): void => {
        skb.parse(Ethernet, next);
        repeat(2, () => void skb.parse(Vlan, next), { as });
      };
    expect(refused(tags('bounded')).hint).toMatch(/as: 'unrolled'/);
    expect(() => refused(tags('unrolled'))).toThrow('it was built');
  });

  test('a packet that is too short must end the path', () => {
    expect(refused(({ skb }) => skb.parse(Ethernet, () => undefined as never)).message).toMatch(
      /the packet is too short, and the path goes on/,
    );
  });
});
