import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PORT_RANGES, normaliseCidrs, normalisePolicy, type PodPolicy } from './policy.ts';

const NOTHING = {
  includeCidrs: { ipv4: [], ipv6: [] },
  excludeCidrs: { ipv4: [], ipv6: [] },
  includePorts: [],
  excludePorts: [],
};
const normalise = (policy: PodPolicy) => normalisePolicy(policy, { dns: false });

describe('a policy', () => {
  it('captures all TCP where nothing is said, and DNS as the default has it', () => {
    expect(normalise({})).toEqual({ dns: false, outbound: NOTHING, inbound: NOTHING });
    expect(normalisePolicy({}, { dns: true }).dns).toBe(true);
    expect(normalisePolicy({ dns: false }, { dns: true }).dns).toBe(false);
  });

  it('has its prefixes by family, sorted, and once', () => {
    const { outbound } = normalise({
      outbound: { excludeCidrs: ['fd00::/8', '10.1.0.0/16', '10.0.0.1', '10.0.0.1/32', 'FD00:0::/8', '0.0.0.0/0'] },
    });
    expect(outbound.excludeCidrs).toEqual({ ipv4: ['0.0.0.0/0', '10.0.0.1/32', '10.1.0.0/16'], ipv6: ['fd00::/8'] });
  });

  it('has its ports in order, what overlaps or touches as one range', () => {
    const { inbound } = normalise({ inbound: { excludePorts: [443, '80-90', 91, '85-100', '22'] } });
    expect(inbound.excludePorts).toEqual([
      [22, 22],
      [80, 100],
      [443, 443],
    ]);
  });

  it.each([
    [
      { outbound: { excludeCidrs: ['10.0.0.1/8'] } },
      /policy\.outbound\.excludeCidrs\[0\].*write 10\.0\.0\.0\/8, or 10\.0\.0\.1\/32/,
    ],
    [{ outbound: { includeCidrs: ['10.0.0.0/33'] } }, /includeCidrs\[0\] is a prefix such as/],
    [{ outbound: { includeCidrs: ['fd00::/129'] } }, /is a prefix/],
    [{ outbound: { includeCidrs: ['10.0.0.0/8/8'] } }, /is a prefix/],
    [{ outbound: { includeCidrs: ['10.0.0.0/'] } }, /is a prefix/],
    [{ outbound: { includeCidrs: ['example.org'] } }, /is a prefix/],
    [{ outbound: { includeCidrs: [7] } }, /is a prefix/],
    [{ outbound: { includeCidrs: '10.0.0.0/8' } }, /is a list of prefixes/],
    [{ inbound: { excludePorts: [0] } }, /inbound\.excludePorts\[0\] is a port from 1 to 65535/],
    [{ inbound: { excludePorts: ['90-80'] } }, /is a port/],
    [{ inbound: { excludePorts: ['http'] } }, /is a port/],
    [{ inbound: { excludePorts: [65_536] } }, /is a port/],
    [{ inbound: { excludePorts: 80 } }, /is a list of ports/],
    [{ inbound: { excludePort: [80] } }, /policy\.inbound has no member excludePort; it may have includeCidrs/],
    [{ dns: 'yes' }, /policy\.dns is true or false; it is "yes"/],
    [null, /policy is an object; it is null/],
    [
      { inbound: { excludePorts: Array.from({ length: MAX_PORT_RANGES + 1 }, (_, at) => 1 + 2 * at) } },
      /has at most 64 ranges; it is 65/,
    ],
  ])('is refused: %j', (policy, message) => {
    expect(() => normalise(policy as PodPolicy)).toThrow(message);
    expect(() => normalise(policy as PodPolicy)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });

  it('says of every port what its ranges said', () => {
    const port = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(fc.array(fc.tuple(port, port), { maxLength: 20 }), (pairs) => {
        const ranges = pairs.map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
        const { outbound } = normalise({
          outbound: { includePorts: ranges.map(([a, b]): `${number}-${number}` => `${a}-${b}`) },
        });
        for (let at = 1; at <= 301; at += 1) {
          const has = (list: readonly (readonly [number, number])[]) => list.some(([a, b]) => a <= at && at <= b);
          expect(has(outbound.includePorts)).toBe(has(ranges));
        }
        const { includePorts: merged } = outbound;
        expect(merged.every(([first], at) => at === 0 || first > (merged[at - 1]?.[1] ?? 0) + 1)).toBe(true);
      }),
    );
  });

  it('is equal to what it becomes', () => {
    const cidr = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 8 }), (given) => {
        const once = normaliseCidrs(given, 'cidrs');
        expect(normaliseCidrs([...once.ipv6, ...once.ipv4], 'cidrs')).toEqual(once);
      }),
    );
  });
});
