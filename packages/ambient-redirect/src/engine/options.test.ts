import { describe, expect, it } from 'vitest';
import { settingsOf, type EngineOptions } from './options.ts';

describe('options', () => {
  it("are Istio's where nothing is said", () => {
    expect(settingsOf({})).toMatchObject({
      directory: '/sys/fs/bpf/ambient',
      attach: 'auto',
      steer: 'auto',
      ports: { outbound: 15001, plaintext: 15006, hbone: 15008, dns: 15053 },
      mark: { value: 0x400, mask: 0xfff },
      withoutProxy: 'drop',
      dns: false,
    });
  });

  it('take of the pod prefixes what an array has room for', () => {
    const of = (...podCidrs: string[]) => settingsOf({ podCidrs }).podCidrs;
    expect(of('10.244.1.0/24', 'fd00:1::/64')).toEqual({ ipv4: '10.244.1.0/24', ipv6: 'fd00:1::/112' });
    expect(of('10.244.0.0/16')).toEqual({ ipv4: '10.244.0.0/16' });
    expect(of('10.0.0.0/8')).toEqual({});
    expect(of('fd00:1::/120')).toEqual({ ipv6: 'fd00:1::/120' });
    expect(() => of('10.244.1.0/24', '10.244.2.0/24')).toThrow(/several prefixes of one family/);
  });

  it.each([
    [{ directory: 'ambient' }, /directory is an absolute path/],
    [{ attach: 'xdp' }, /attach is one of auto, tcx, clsact; it is "xdp"/],
    [{ steer: 'dnat' }, /steer is one of/],
    [{ withoutProxy: 'allow' }, /withoutProxy is one of drop, pass/],
    [{ priority: 0 }, /priority is a whole number from 1 to 65535/],
    [{ ports: { outbound: 0 } }, /ports\.outbound is a whole number/],
    [{ ports: { outbound: 15006 } }, /ports are different/],
    [{ ports: { inbound: 15006 } }, /ports has no member inbound/],
    [{ routing: { mark: { value: 0x1400, mask: 0xfff } } }, /within its mask/],
    [{ routing: { priority: 32_766 } }, /routing\.priority/],
    [{ bypass: ['10.0.0.1/8'] }, /bypass\[0\] has bits after its length/],
    [{ dns: 1 }, /dns is true or false/],
    [{ whenProxyAway: 'drop' }, /options has no member whenProxyAway/],
  ])('are refused: %j', (options, message) => {
    expect(() => settingsOf(options as EngineOptions)).toThrow(message);
    expect(() => settingsOf(options as EngineOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  });
});
