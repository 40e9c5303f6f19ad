import { describe, expect, test } from 'vitest';
import type { EngineMetrics, EngineStatus } from '../engine/index.ts';
import { STEERED } from '../maps.ts';
import type { SteeredCounts } from '../observe/index.ts';
import { METRICS } from './metric-table.ts';
import { exposeMetrics, type MetricsSource } from './prometheus.ts';

const COUNTED: EngineMetrics = {
  pods: [
    {
      id: 'shop/"cart"\\1\n',
      traffic: [
        { direction: 'outbound', family: 'ipv4', verdict: 'captured', packets: 12n, bytes: 1200n },
        { direction: 'inbound', family: 'ipv6', verdict: 'spoofed', packets: 2n ** 60n, bytes: 7n },
      ],
      connections: [{ direction: 'outbound', family: 'ipv4', count: 3n }],
    },
    { id: 'quiet', traffic: [], connections: [] },
  ],
  steered: {
    ...(Object.fromEntries(Object.keys(STEERED).map((name) => [name, 0n])) as unknown as SteeredCounts),
    outbound: 3n,
  },
  untold: 5n,
  reconciles: {
    count: 4, failed: 1, repaired: 2, removed: 0, seconds: 0.75,
    buckets: [{ atMost: 0.1, count: 1 }, { atMost: 1, count: 3 }],
  },
}; // prettier-ignore

const STATUS = {
  pods: [{ status: 'enrolled' }, { status: 'enrolled' }, { status: 'degraded' }],
  problems: [{ subject: 'a', what: 'is not so' }],
  proxy: {
    status: 'listening',
    listeners: [
      { purpose: 'outbound', family: 'ipv4' },
      { purpose: 'outbound', family: 'ipv6' },
    ],
  },
  maps: [{ name: 'direct', entries: 12, limit: 65536 }],
  programs: [
    { id: 7, name: 'app_inbound', tag: 'aa', runs: 10n, runTimeNs: 2_500_000_000n },
    { id: 8, name: 'app_inbound', tag: 'bb', runs: undefined, runTimeNs: undefined },
    { id: 9, name: 'app_inbound', tag: 'aa', runs: 1n, runTimeNs: 0n },
  ],
} as unknown as EngineStatus;

function source(status: Partial<EngineStatus> = {}, counted: Partial<EngineMetrics> = {}): MetricsSource {
  return {
    status: () => Promise.resolve({ ...STATUS, ...status, wanted: [{ id: 'x' }] }),
    metrics: () => Promise.resolve({ ...COUNTED, ...counted }),
  };
}

interface Family {
  readonly type: string;
  readonly samples: Map<string, number>;
}

/**
 * Reads the text format, and refuses what Prometheus would (its exposition format, version 0.0.4): a family is told once, help and type before its
 * samples, which follow at once, have its name, and are each there once.
 */
function parse(text: string): Map<string, Family> {
  expect(text.endsWith('\n')).toBe(true);
  const families = new Map<string, Family>();
  let now: { name: string; help: boolean } | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      expect(families.has(name)).toBe(false);
      now = { name, help: true };
    } else if (kind === 'TYPE') {
      expect([now?.name, now?.help]).toEqual([name, true]);
      expect(['counter', 'gauge', 'histogram']).toContain(rest);
      families.set(name, { type: rest, samples: new Map() });
    } else {
      const [, sample = '', labels = '', value = ''] = /^([a-z_]+)(\{.*\})? (\S+)$/.exec(line) ?? [];
      const family = families.get(now?.name ?? '');
      const suffix = family?.type === 'histogram' ? '(_bucket|_sum|_count)' : '';
      expect(sample).toMatch(new RegExp(`^${now?.name}${suffix}$`));
      expect(labels).toMatch(/^(\{[a-z_]+="([^"\\]|\\[\\n"])*"(,[a-z_]+="([^"\\]|\\[\\n"])*")*\})?$/);
      expect(value).toMatch(/^(\d+(\.\d+)?(e[+-]?\d+)?)$/);
      const key = `${sample}${labels}`;
      expect(family?.samples.has(key)).toBe(false);
      family?.samples.set(key, Number(value));
    }
  }
  return families;
}

const exposed = async (of: MetricsSource = source()): Promise<Map<string, Family>> =>
  parse((await exposeMetrics(of)).text);

describe('metrics for Prometheus', () => {
  test('are all of the table, well formed, with its types', async () => {
    const families = await exposed();
    expect([...families].map(([name, { type }]) => [name, type])).toEqual(
      Object.entries(METRICS)
        .map(([name, { type }]) => [name, type])
        .toSorted((a, b) => Number(a[1] === 'histogram') - Number(b[1] === 'histogram')),
    );
    expect((await exposeMetrics(source())).contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  test('have names and helps as Prometheus wants them', () => {
    for (const [name, { type, help, labels }] of Object.entries(METRICS)) {
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).toMatch(/^ambient_redirect_[a-z_]+$/);
      expect(help).toMatch(/^[A-Z].*\.$/);
      for (const label of labels) expect(['le', 'quantile', 'instance', 'job']).not.toContain(label);
    }
  });

  test('tell what was counted', async () => {
    const families = await exposed();
    const sample = (name: string): [string, number][] => [...(families.get(`ambient_redirect_${name}`)?.samples ?? [])];
    const pod = 'pod="shop/\\"cart\\"\\\\1\\n"';
    expect(sample('packets_total')).toEqual([
      [`ambient_redirect_packets_total{${pod},direction="outbound",family="ipv4",verdict="captured",outcome="redirected",reason="to the proxy: of a TCP connection of the pod"}`, 12],
      [`ambient_redirect_packets_total{${pod},direction="inbound",family="ipv6",verdict="spoofed",outcome="dropped",reason="it says that it is from an address that its sender does not have"}`, 2 ** 60],
    ]);
    expect(sample('connections_total')).toEqual([[`ambient_redirect_connections_total{${pod},direction="outbound",family="ipv4"}`, 3]]);
    expect(Object.fromEntries(sample('steered_total'))).toMatchObject({
      'ambient_redirect_steered_total{result="outbound"}': 3,
      'ambient_redirect_steered_total{result="noListener"}': 0,
    });
    expect(sample('events_lost_total')).toEqual([['ambient_redirect_events_lost_total', 5]]);
    expect(sample('reconcile_duration_seconds')).toEqual([
      ['ambient_redirect_reconcile_duration_seconds_bucket{le="0.1"}', 1],
      ['ambient_redirect_reconcile_duration_seconds_bucket{le="1"}', 3],
      ['ambient_redirect_reconcile_duration_seconds_bucket{le="+Inf"}', 4],
      ['ambient_redirect_reconcile_duration_seconds_sum', 0.75],
      ['ambient_redirect_reconcile_duration_seconds_count', 4],
    ]);
    expect(sample('reconcile_failures_total')).toEqual([['ambient_redirect_reconcile_failures_total', 1]]);
  }); // prettier-ignore

  test('tell the state of the node', async () => {
    const families = await exposed();
    const values = (name: string): Record<string, number> =>
      Object.fromEntries(
        [...(families.get(`ambient_redirect_${name}`)?.samples ?? [])].map(([key, value]) => [
          key.slice(`ambient_redirect_${name}`.length),
          value,
        ]),
      );
    expect(values('pods')).toEqual({
      '{status="enrolling"}': 0, '{status="enrolled"}': 2, '{status="draining"}': 0, '{status="leaving"}': 0,
      '{status="degraded"}': 1, '{status="missing"}': 0, '{status="failed"}': 1,
    }); // prettier-ignore
    expect(values('problems')).toEqual({ '': 2 });
    expect(values('proxy_listening')).toEqual({ '': 1 });
    expect(values('proxy_listeners')).toEqual({
      '{purpose="outbound",family="ipv4"}': 1,
      '{purpose="outbound",family="ipv6"}': 1,
    });
    expect([values('map_entries'), values('map_entries_limit')]).toEqual([
      { '{map="direct"}': 12 },
      { '{map="direct"}': 65536 },
    ]);
    // Two programs can have the same tag, and each may go before the other.
    expect(values('program_runs_total')).toEqual({
      '{program="app_inbound",tag="aa",id="7"}': 10,
      '{program="app_inbound",tag="aa",id="9"}': 1,
    });
    expect(values('program_run_seconds_total')).toEqual({
      '{program="app_inbound",tag="aa",id="7"}': 2.5,
      '{program="app_inbound",tag="aa",id="9"}': 0,
    });
  });

  test('tell what an agent could not do as a problem, as the command status does', async () => {
    const agent = { problems: [{ subject: 'the file', error: 'is not there' }] } as unknown;
    const families = await exposed(source({ agent } as Partial<EngineStatus>));
    expect(families.get('ambient_redirect_problems')?.samples.get('ambient_redirect_problems')).toBe(3);
  });

  test('leave out what nobody measures, and tell of a proxy that is not there', async () => {
    const families = await exposed(source({ proxy: undefined }, { reconciles: undefined }));
    expect([...families.keys()].filter((name) => name.includes('reconcile'))).toEqual([]);
    expect(families.get('ambient_redirect_proxy_listening')?.samples.get('ambient_redirect_proxy_listening')).toBe(0);
  });
});
