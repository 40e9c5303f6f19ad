import { VERDICT_MEANING } from '../observe/index.ts';
import { nameOf } from './lanes.ts';
import { html, type Markup, type Part } from './html.ts';
import type { ReportData } from './report-data.ts';
import { section, table, type TableRow } from './tables.ts';
import { number, span, whole } from './words.ts';

const DASH = html`<span class="soft">–</span>`;

/** All tables, in order. */
export function sections(data: ReportData): readonly Markup[] {
  return [
    pods(data),
    packets(data),
    chains(data),
    proxy(data),
    settings(data),
    programs(data),
    maps(data),
    engine(data),
  ];
}

function pods({ status }: ReportData): Markup {
  const rows = status.pods.map((pod): TableRow => {
    const isBad = pod.problems.length > 0;
    const remarks = [
      ...pod.problems.map((text) => html`<div class="bad">✕ ${text}</div>`),
      ...pod.warnings.map((text) => html`<div class="warn">! ${text}</div>`),
    ];
    const hooks = pod.hooks.map(
      ({ direction, attached, status: state }) => html`<div>${direction}: ${attached ?? state}</div>`,
    );
    return {
      isBad,
      cells: [
        html`<b>${pod.id}</b>`,
        html`<span class="${isBad ? 'bad' : pod.status === 'enrolled' ? 'good' : 'warn'}">${pod.status}</span>`,
        pod.mode,
        pod.addresses.map((address) => html`<div>${address}</div>`),
        `${pod.hostInterface.name} #${pod.hostInterface.index}`,
        hooks,
        remarks.length === 0 ? DASH : remarks,
      ],
    };
  });
  const unmet = (status.wanted ?? []).map(({ id, error }): TableRow => ({
    isBad: true,
    cells: [
      html`<b>${id}</b>`,
      html`<span class="bad">wanted</span>`,
      DASH,
      DASH,
      DASH,
      DASH,
      html`<div class="bad">✕ ${error}</div>`,
    ],
  }));
  return section(
    'Pods',
    table(
      [
        { head: 'pod' },
        { head: 'state' },
        { head: 'mode' },
        { head: 'addresses', kind: 'mono' },
        { head: 'interface of the host', kind: 'mono' },
        { head: 'attached by' },
        { head: 'remarks' },
      ],
      [...unmet, ...rows],
    ),
  );
}

function packets({ metrics }: ReportData): Markup {
  const rows = metrics.pods.flatMap(({ id, traffic }) =>
    traffic.map(({ direction, family, verdict, packets: count, bytes }) => {
      const { outcome, reason } = VERDICT_MEANING[verdict];
      return {
        cells: [id, direction, family, verdict, `${outcome}: ${reason}`, whole(count), whole(bytes)],
        isBad: outcome === 'dropped',
      };
    }),
  );
  if (rows.length === 0) return section('What became of packets', html`<p class="soft">None was seen yet.</p>`);
  return section(
    'What became of packets',
    table(
      [
        { head: 'pod' },
        { head: 'direction' },
        { head: 'family' },
        { head: 'verdict' },
        { head: 'which means' },
        { head: 'packets', kind: 'number' },
        { head: 'bytes', kind: 'number' },
      ],
      rows,
    ),
  );
}

function chains({ chains: all }: ReportData): Markup {
  const rows = all.flatMap(({ interface: name, where, direction, entries, passes }) =>
    entries.map((entry, at): TableRow => {
      const { layer, ours, program, filter, returns, verdicts, reached, shadowedBy } = entry;
      const before = shadowedBy.map((each) => each + 1).join(', ');
      return {
        isBad: reached === 'never',
        cells: [
          at === 0 ? `${name}${where === 'proxy' ? ' of the proxy' : ''} ${direction}` : '',
          at + 1,
          filter === undefined ? layer : `${layer} ${filter.kind} pref ${filter.priority}`,
          html`${ours ? html`<b>${nameOf(entry)}</b> <span class="soft">ours</span>` : nameOf(entry)}`,
          program?.id ?? DASH,
          program?.tag ?? DASH,
          returns.length === 0 ? 'not read' : returns.join(', '),
          verdicts.join(', '),
          reached === 'always'
            ? 'always'
            : html`<span class="${reached === 'never' ? 'bad' : 'soft'}"
                >${reached}${before !== '' && `: after ${before}`}</span
              >`,
          at === entries.length - 1 ? passes : '',
        ],
      };
    }),
  );
  return section(
    'What a packet meets on each interface, in order',
    rows.length === 0
      ? html`<p class="soft">Nothing is attached.</p>`
      : table(
          [
            { head: 'interface', kind: 'mono' },
            { head: '#', kind: 'number' },
            { head: 'where' },
            { head: 'program' },
            { head: 'id', kind: 'number' },
            { head: 'tag', kind: 'mono' },
            { head: 'can return' },
            { head: 'then' },
            { head: 'a packet gets here' },
            { head: 'passes the hook' },
          ],
          rows,
        ),
  );
}

function proxy({ status, metrics }: ReportData): Markup {
  const { proxy: found, leaving, withoutProxy } = status;
  if (found === undefined) {
    return section('The proxy', html`<p class="panel">There is none. What is captured: ${withoutProxy}.</p>`);
  }
  const { steered } = metrics;
  const facts: readonly (readonly [string, Part])[] = [
    [
      'state',
      html`<span class="${found.status === 'away' ? 'bad' : 'good'}">${found.status}</span
        >${found.pid !== undefined && `, process ${found.pid}`}`,
    ],
    ['network namespace', html`<code>${found.netnsInode}</code>`],
    [
      'interface',
      html`<code>${found.hostInterface.name} #${found.hostInterface.index}</code> of the host,
        <code>${found.ownInterface.name}</code> of its own, ${found.ownInterface.mac}`,
    ],
    ['addresses', html`<code>${[...found.addresses.ipv4, ...found.addresses.ipv6].join(', ')}</code>`],
    ['steering', html`${found.steering.mode}: ${found.steering.reason} (asked for: ${status.steer})`],
    [
      'listeners',
      found.listeners.map(
        ({ purpose, family, address, port }) =>
          html`<div>
            ${purpose} ${family}: <code>${address.includes(':') ? `[${address}]` : address}:${port}</code>
          </div>`,
      ),
    ],
    ...(found.missing.length === 0
      ? []
      : [['missing', found.missing.map((why) => html`<div class="warn">${why}</div>`)] as const]),
    ['steered', Object.entries(steered).map(([name, count]) => html`<div>${name}: ${whole(count)}</div>`)],
    ['without it', withoutProxy],
    ...(leaving === undefined
      ? []
      : ([
          [
            'takes over from',
            html`<code>${leaving.hostInterface.name} #${leaving.hostInterface.index}</code> of the host, network
              namespace <code>${leaving.netnsInode}</code>: ${number(leaving.connections, 'connection')} left`,
          ],
        ] as const)),
  ];
  return section('The proxy', html`<div class="panel">${list(facts)}</div>`);
}

function list(facts: readonly (readonly [string, Part])[]): Markup {
  return html`<dl>
    ${facts.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

function settings({ status }: ReportData): Markup {
  const rows = status.settings.map(({ what, found, wanted, before }): TableRow => {
    const isBad = found !== wanted;
    const shown = found ?? 'missing';
    return { isBad, cells: [what, isBad ? html`<span class="bad">✕ ${shown}</span>` : shown, wanted, before ?? DASH] };
  });
  return section(
    'Settings of the node and of the proxy’s namespace',
    rows.length === 0
      ? html`<p class="soft">None: there is no proxy.</p>`
      : table([{ head: 'setting', kind: 'mono' }, { head: 'found' }, { head: 'wanted' }, { head: 'before us' }], rows),
  );
}

function programs({ status, taken, measured }: ReportData): Markup {
  const inWhile = new Map(measured?.programs.map((program) => [program.id, program]));
  const rows = status.programs.map(({ id, name, tag, loaded, hooks, runs, runTimeNs, verifiedInstructions }) => {
    const now = inWhile.get(id);
    const counted = now?.runs ?? runs ?? 0n;
    const average = now === undefined ? averageOf(runs, runTimeNs) : now.averageNs;
    return {
      cells: [
        name,
        id,
        tag,
        span(Date.parse(taken) - Date.parse(loaded)),
        hooks.length === 0
          ? html`<span class="soft">kept for the next pod</span>`
          : hooks.length > 4
            ? `${hooks.slice(0, 3).join(', ')} and ${hooks.length - 3} more`
            : hooks.join(', '),
        counted === 0n ? DASH : whole(counted),
        average === undefined ? DASH : average.toFixed(0),
        verifiedInstructions === undefined ? DASH : whole(verifiedInstructions),
      ],
    };
  });
  const when =
    measured === undefined
      ? 'Runs and times are those of when the kernel’s statistics were on; ambient-redirect status --stats switches them on for a while.'
      : `Runs and times of ${number(measured.seconds, 'second')}.`;
  return section(
    'Programs',
    table(
      [
        { head: 'program', kind: 'mono' },
        { head: 'id', kind: 'number' },
        { head: 'tag', kind: 'mono' },
        { head: 'age' },
        { head: 'runs at' },
        { head: 'runs', kind: 'number' },
        { head: 'ns a run', kind: 'number' },
        { head: 'instructions verified', kind: 'number' },
      ],
      rows,
    ),
    html`<p class="soft">${when}</p>`,
  );
}

/** Nanoseconds of a run, on average; undefined where none was counted. */
export function averageOf(runs: bigint | undefined, nanoseconds: bigint | undefined): number | undefined {
  return runs === undefined || nanoseconds === undefined || runs === 0n
    ? undefined
    : Number(nanoseconds) / Number(runs);
}

function maps({ status }: ReportData): Markup {
  const rows = status.maps.map(({ name, holds, entries, limit, evicts, isNearlyFull }) => {
    const share = Math.min(100, (entries / limit) * 100);
    const bar = `width:${Math.max(entries === 0 ? 0 : 1, share).toFixed(1)}%`;
    return {
      cells: [
        name,
        holds,
        whole(entries),
        whole(limit),
        html`<span class="bar"><i${isNearlyFull && html` class="warn"`} style="${bar}"></i></span>`,
        evicts ? 'the oldest make room' : 'new ones are refused',
      ],
    };
  });
  return section(
    'Maps',
    table(
      [
        { head: 'map', kind: 'mono' },
        { head: 'holds' },
        { head: 'entries', kind: 'number' },
        { head: 'room', kind: 'number' },
        { head: 'full' },
        { head: 'when it is full' },
      ],
      rows,
    ),
  );
}

function engine({ status, version, kernel }: ReportData): Markup {
  const { agent, attach } = status;
  const facts: readonly (readonly [string, Part])[] = [
    ['directory', html`<code>${status.directory}</code>`],
    ['version', html`${version}, programs <code>${status.build}</code>`],
    ['kernel', kernel],
    ['attach', html`${attach.mode}: ${attach.reason} (asked for: ${attach.wanted})`],
    [
      'agent',
      agent === undefined ? 'none runs' : html`process ${agent.pid} since ${agent.since}, <code>${agent.config}</code>`,
    ],
    ["the host's addresses", html`<code>${status.hostAddresses.join(', ')}</code>`],
  ];
  return section('The engine', html`<div class="panel">${list(facts)}</div>`);
}
