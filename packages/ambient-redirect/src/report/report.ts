import { drawing } from './drawing.ts';
import { flowsOf, sumOf } from './flows.ts';
import { html, type Markup, type Part } from './html.ts';
import { problemsOf } from './problems.ts';
import type { ReportData } from './report-data.ts';
import { sections } from './sections.ts';
import { STYLE } from './style.ts';
import { number, short } from './words.ts';

/**
 * The state of a node as one page of HTML: it needs no network and no script, and everything that comes from the node is escaped.
 * @returns the whole document
 */
export function renderReport(data: ReportData): string {
  const { node, taken, kernel } = data;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="color-scheme" content="light dark" />
        <title>${node}: ambient-redirect</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <main>
          <header>
            <h1>${node}</h1>
            <p class="soft">${taken.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}, Linux ${kernel}</p>
          </header>
          ${verdict(data)} ${tiles(data)}
          <figure class="panel" aria-label="The node">${legend()}${drawing(data)}</figure>
          ${sections(data)}
          <footer>
            Made by ambient-redirect ${data.version}. Numbers are packets since each pod was enrolled, unless something
            else is said.
          </footer>
        </main>
      </body>
    </html> `;
  return page.text;
}

function verdict({ status }: ReportData): Markup {
  const problems = problemsOf(status);
  const warnings = status.warnings;
  const items = (all: typeof problems): Part =>
    html`<ul>
      ${all.map(({ subject, what }) => html`<li><b>${subject}</b>: ${what}</li>`)}
    </ul>`;
  return html`${
    problems.length === 0
      ? html`<div class="panel verdict is-good">
          <span class="mark good">✔</span>
          <div><b>All is as it is wanted</b></div>
        </div>`
      : html`<div class="panel verdict is-bad">
          <span class="mark bad">✕</span>
          <div><b>${number(problems.length, 'thing is', 'things are')} not as wanted</b>${items(problems)}</div>
        </div>`
  }${
    warnings.length > 0 &&
    html`<div class="panel verdict is-warn">
      <span class="mark warn">!</span>
      <div><b>${number(warnings.length, 'thing')} to know</b>${items(warnings)}</div>
    </div>`
  }`;
}

function tiles({ status, metrics }: ReportData): Markup {
  const sum = sumOf(metrics.pods.map(({ traffic }) => flowsOf(traffic)));
  const { pods, proxy, maps } = status;
  const fine = pods.filter(({ status: state, problems }) => state === 'enrolled' && problems.length === 0).length;
  const wanted = pods.length + (status.wanted?.length ?? 0);
  const direct = maps.find(({ name }) => name === 'direct')?.entries ?? 0;
  const state = proxy?.status ?? 'none';
  const all: readonly (readonly [Part, string])[] = [
    [html`<b class="${fine < wanted ? 'bad' : ''}">${fine} of ${wanted}</b>`, 'pods enrolled, all well'],
    [html`<b class="${state === 'listening' ? '' : 'bad'}">${state}</b>`, 'the proxy'],
    [html`<b>${short(sum.outbound + sum.inbound)}</b>`, 'packets to the proxy'],
    [html`<b>${short(sum.delivered)}</b>`, 'packets from the proxy'],
    [html`<b class="${sum.dropped > 0n ? 'bad' : ''}">${short(sum.dropped)}</b>`, 'packets dropped'],
    [html`<b>${short(direct)}</b>`, 'connections past the proxy'],
  ];
  return html`<ul class="tiles">
    ${all.map(([value, what]) => html`<li class="panel">${value}<span>${what}</span></li>`)}
  </ul>`;
}

function legend(): Markup {
  const line = (colour: string, what: string): Markup =>
    html`<li><i style="border-color:var(--${colour})"></i>${what}</li>`;
  return html`<ul class="legend">
    ${[
      line('outbound', 'what a pod sends, to the proxy'),
      line('inbound', 'what is for a pod, to the proxy'),
      line('delivered', 'from the proxy, into the pod'),
      line('direct', 'past the proxy'),
    ]}
    <li><i class="pill">ours</i>our programs, among others on the hook</li>
  </ul>`;
}
