import { loadProgram, openSys, type Sys } from 'netlink-tc';
import { beforeAll, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { FACTS, NO_RULES, PROXY } from '../../test/tables.ts';
import { appInbound } from './app-inbound.ts';
import { appOutbound } from './app-outbound.ts';
import type { AppFacts, CaptureMode, DirectionRules, NodeFacts, ProxyFacts } from './facts.ts';

const MODES: readonly CaptureMode[] = ['observe', 'preserve', 'full', 'drain'];

const PROXIES: Readonly<Record<string, ProxyFacts>> = {
  present: PROXY,
  tagging: { ...PROXY, tags: { outbound: '06:00:00:00:00:01', inbound: '06:00:00:00:00:02' } },
  'away, dropping': { away: 'drop' },
  'away, passing': { away: 'pass' },
};

/** As much as a list may have: compared one by one, looked up, and ports. */
const few = {
  ipv4: Array.from({ length: 8 }, (_, i) => `10.${i}.0.0/16`),
  ipv6: Array.from({ length: 8 }, (_, i) => `fd0${i}::/16`),
};
const many = { ipv4: [...few.ipv4, '10.9.0.0/16'], ipv6: [...few.ipv6, 'fd09::/16'] };
const ports = Array.from({ length: 64 }, (_, i) => [1000 * i, 1000 * i + 1] as const);
const RULES: readonly DirectionRules[] = [
  NO_RULES,
  { includeCidrs: few, excludeCidrs: many, includePorts: ports, excludePorts: ports },
  { includeCidrs: many, excludeCidrs: few, includePorts: [], excludePorts: [[80, 80]] },
];

const none = { ipv4: [], ipv6: [] };
const NODES: readonly NodeFacts[] = [
  FACTS.node,
  { podCidrs: {}, host: many, bypass: few },
  { podCidrs: { ipv4: '10.244.0.0/16' }, host: none, bypass: none },
];

/** Each mode with each state of the proxy; with what else there is in turn, so that every two meet. */
const VARIANTS = MODES.flatMap((mode, i) =>
  Object.entries(PROXIES).map(([name, proxy], j): readonly [string, AppFacts] => {
    const facts: AppFacts = {
      node: NODES[(i + j) % 3] ?? FACTS.node,
      policy: {
        dns: (i + j) % 2 === 0,
        outbound: RULES[(i + 2 * j) % 3] ?? NO_RULES,
        inbound: RULES[(2 * i + j) % 3] ?? NO_RULES,
      },
      proxy,
      mode,
      ...(j % 2 === i % 2 ? { sample: 64, snapshot: j < 2 } : {}),
    };
    return [`mode ${mode}, the proxy ${name}`, facts];
  }),
);

describeWith([root], 'the verifier', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test.each(VARIANTS)(
    'takes both programs: %s',
    (_what, facts) => {
      for (const make of [appOutbound, appInbound]) {
        using loaded = loadProgram(sys, make(facts));
        expect(loaded.fd).toBeGreaterThan(0);
      }
    },
    300_000,
  );
});
