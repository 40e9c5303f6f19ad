import { expect, test } from 'vitest';
import { reportNode } from '../../test/report-node.ts';
import { problemsOf } from './problems.ts';
import { renderReport } from './report.ts';

/** How often a text is in another. */
function count(all: string, text: string): number {
  return all.split(text).length - 1;
}

test.each([false, true])(
  'three hundred pods, broken %s: each is drawn and listed, and nothing is asked for',
  (broken) => {
    const node = reportNode({ pods: 300, broken });
    const page = renderReport(node);
    const [, wide = '', narrow = '', tables = ''] = page.split(/<svg class="(?:wide|narrow)"|<\/figure>/);
    for (const { id, hostInterface } of node.status.pods) {
      for (const drawing of [wide, narrow]) expect(drawing).toContain(id);
      expect(tables).toContain(`<b>${id}</b>`);
      expect(count(wide, hostInterface.name)).toBeGreaterThan(0);
      expect(count(narrow, hostInterface.name)).toBeGreaterThan(0);
    }
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\s(?:href|src|on[a-z]+)=/);
    expect(page).not.toMatch(/\b(?:NaN|undefined|null|Infinity|\[object)/);
    expect(page).toContain("default-src 'none'");
  },
);

test('a proxy that leaves is told, with what it has left', () => {
  const node = reportNode({ pods: 1 });
  const leaving = { netnsInode: '4026530000', hostInterface: { index: 8, name: 'veth<old>' }, connections: 3 };
  expect(renderReport(node)).not.toContain('takes over from');
  const page = renderReport({ ...node, status: { ...node.status, leaving } });
  expect(page).toMatch(
    /takes over from<\/dt>\s*<dd><code>veth&lt;old&gt; #8<\/code>[^]*?4026530000<\/code>: 3 connections left/,
  );
});

test('what an agent could not do comes before what is wanted, and that before what the engine finds', () => {
  const { status } = reportNode({ pods: 2, broken: true });
  const agent = {
    pid: 1,
    since: '2026-01-01T00:00:00Z',
    config: '/etc/a.yaml',
    problems: [{ subject: 'the file', error: 'is <bad>' }],
  };
  const all = { ...status, agent, wanted: [{ id: 'shop/x', code: undefined, error: 'no such namespace' }] };
  expect(problemsOf(all)).toEqual([
    { subject: 'the file', what: 'is <bad>' },
    { subject: 'shop/x', what: 'is wanted, and not enrolled: no such namespace' },
    ...status.problems,
  ]);
  const page = renderReport({ ...reportNode({ pods: 2, broken: true }), status: all });
  expect(page).toContain('<b>the file</b>: is &lt;bad&gt;');
  expect(page).toContain('wanted, and not enrolled');
});
