import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { METRICS, type MetricSpec } from './metric-table.ts';

interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const url = new URL('../../../../deploy/grafana-dashboard.json', import.meta.url);
const dashboard = JSON.parse(readFileSync(url, 'utf8')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
};

/** Labels that Prometheus gives every sample that it scrapes. */
const SCRAPED = ['instance', 'job'];

/** The metrics of the table, with the parts that a histogram is told in. */
const known: ReadonlyMap<string, MetricSpec> = new Map(
  Object.entries(METRICS as Readonly<Record<string, MetricSpec>>).flatMap(([name, spec]) => {
    if (spec.type !== 'histogram') return [[name, spec] as const];
    return ['_bucket', '_sum', '_count'].map((part) => [`${name}${part}`, { ...spec, labels: ['le'] }] as const);
  }),
);

/** What an expression names: metrics with the labels that are asked of them, and labels that are summed by. */
function namesIn(expression: string): { metrics: [name: string, labels: string[]][]; by: string[] } {
  const metrics = [...expression.matchAll(/([a-z_]+)\{([^}]*)\}/g)].map(
    ([, name = '', labels = '']): [string, string[]] => [
      name,
      [...labels.matchAll(/([a-z_]+)\s*(?:=~|!=|!~|=)/g)].map(([, label = '']) => label),
    ],
  );
  // None without its node.
  expect(expression.match(/ambient/g)).toHaveLength(metrics.length);
  const by = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
  return { metrics, by };
}

const expressions = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr, legendFormat }): [string, string, string] => [title, expr, legendFormat]),
);

describe('the dashboard', () => {
  test.each(expressions)('%s: asks for what there is', (_title, expression, legend) => {
    const { metrics, by } = namesIn(expression);
    expect(metrics.length).toBeGreaterThan(0);
    for (const [name, labels] of metrics) {
      const spec = known.get(name);
      expect([name, spec === undefined]).toEqual([name, false]);
      const all = [...(spec?.labels ?? []), ...SCRAPED];
      expect(all).toEqual(expect.arrayContaining([...labels, ...by]));
      // Whoever looks at one node sees that node alone.
      expect(labels).toContain('instance');
      expect([name, /(rate)\($/.test(expression.slice(0, expression.indexOf(name)))]).toEqual([
        name,
        spec?.type !== 'gauge',
      ]);
    }
    const shown = [...legend.matchAll(/\{\{([a-z_]+)\}\}/g)].map(([, label = '']) => label);
    expect(by).toEqual(expect.arrayContaining(shown));
    expect([...expression].filter((one) => one === '(')).toHaveLength(
      [...expression].filter((one) => one === ')').length,
    );
  });

  test('shows every metric', () => {
    const asked = new Set(expressions.flatMap(([, expression]) => namesIn(expression).metrics.map(([name]) => name)));
    const parts = (name: string): string[] => [name, ...['_bucket', '_sum', '_count'].map((part) => `${name}${part}`)];
    expect(Object.keys(METRICS).filter((name) => !parts(name).some((part) => asked.has(part)))).toEqual([]);
  });

  test('chooses nodes and pods by labels that there are', () => {
    const queries = dashboard.templating.list.map(({ query }) =>
      /^label_values\(([a-z_]+)(?:\{.*\})?, ([a-z]+)\)$/.exec(query),
    );
    const chosen = queries.flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? '']]));
    expect(chosen.map(([, label]) => label)).toEqual(['instance', 'pod']);
    for (const [name = '', label = ''] of chosen)
      expect([...(known.get(name)?.labels ?? []), ...SCRAPED]).toContain(label);
  });

  test('has panels that do not lie on each other', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...dashboard.panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });
});
