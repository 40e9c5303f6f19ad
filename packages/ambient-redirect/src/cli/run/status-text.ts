import type { ControlStatus } from '../../control/index.ts';
import { averageOf, number, problemsOf, span, whole, type Measured } from '../../report/index.ts';
import type { Cell, Output, Paint } from '../output.ts';

/** What {@link statusText} tells beside the status. */
export interface StatusTextOptions {
  readonly measured: Measured | undefined;
  /** What is not as wanted, and nothing else. */
  readonly onlyProblems: boolean;
  /** Now, in milliseconds since 1970. */
  readonly now: number;
}

/** The status in words: what is amiss first, then the engine, then tables. */
export function statusText(
  status: ControlStatus,
  output: Output,
  { measured, onlyProblems, now }: StatusTextOptions,
): string {
  const verdict = verdictText(status, output);
  if (onlyProblems) return verdict;
  const blocks = [
    verdict,
    engineText(status, output),
    podTable(status, output),
    programTable(status, output, { measured, now }),
    mapTable(status, output),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function verdictText(status: ControlStatus, output: Output): string {
  const problems = problemsOf(status);
  const line = (mark: string, paint: Paint, { subject, what }: (typeof problems)[number]): string =>
    `  ${output.paint(paint, mark)} ${output.paint('bold', subject)}: ${what}`;
  const head =
    problems.length === 0
      ? output.paint('green', 'All is as it is wanted.')
      : output.paint('red', `${number(problems.length, 'thing is', 'things are')} not as wanted:`);
  return [
    head,
    ...problems.map((problem) => line('✕', 'red', problem)),
    ...status.warnings.map((warning) => line('!', 'yellow', warning)),
  ].join('\n');
}

function engineText(status: ControlStatus, output: Output): string {
  const { agent, attach, proxy, steer, withoutProxy, settings, directory } = status;
  const by = agent === undefined ? 'no agent runs' : `agent ${agent.pid} since ${agent.since}, ${agent.config}`;
  const wrong = settings.filter(({ found, wanted }) => found !== wanted).length;
  const asked = (wanted: string): string => (wanted === 'auto' ? ' (auto)' : '');
  const lines: (readonly [string, string])[] = [
    ['engine', `${directory}, ${by}`],
    ['attach', `${attach.mode}: ${attach.reason}${asked(attach.wanted)}`],
    ...(proxy === undefined ? [['proxy', output.paint('yellow', 'none')] as const] : proxyLines(proxy, output)),
    ...(proxy === undefined
      ? []
      : [['steering', `${proxy.steering.mode}: ${proxy.steering.reason}${asked(steer)}`] as const]),
    ['without it', withoutProxy === 'drop' ? 'what is captured is dropped' : 'what is captured passes'],
    [
      'settings',
      wrong === 0
        ? `${settings.length}, as they are wanted`
        : `${settings.length}, ${output.paint('red', `${wrong} not as wanted`)}`,
    ],
  ];
  return lines.map(([name, text]) => `${output.paint('bold', name.padEnd(10))}  ${text}`).join('\n');
}

function proxyLines(proxy: NonNullable<ControlStatus['proxy']>, output: Output): (readonly [string, string])[] {
  const { status, pid, hostInterface, addresses, listeners } = proxy;
  const state = output.paint(status === 'listening' ? 'green' : 'red', status);
  const process = pid === undefined ? '' : `, process ${pid}`;
  const all = [...addresses.ipv4, ...addresses.ipv6].join(', ');
  const byPort = new Map<string, string[]>();
  for (const { purpose, port, family } of listeners) {
    const key = `${purpose} ${port}`;
    byPort.set(key, [...(byPort.get(key) ?? []), family]);
  }
  const listening = [...byPort].map(([key, families]) => `${key} (${families.join(', ')})`).join(', ');
  return [
    ['proxy', `${state}${process}, ${hostInterface.name}, ${all}`],
    ['listeners', listening === '' ? output.paint('red', 'none') : listening],
  ];
}

function podTable({ pods, wanted = [] }: ControlStatus, output: Output): string {
  if (pods.length + wanted.length === 0) return 'No pod is enrolled.';
  const rows = pods.map(({ id, status, mode, hostInterface, addresses, hooks, problems }): Cell[] => {
    const paint: Paint = problems.length > 0 ? 'red' : status === 'enrolled' ? 'green' : 'yellow';
    return [
      id,
      { text: status, paint },
      mode,
      `${hostInterface.name} #${hostInterface.index}`,
      ...(['ingress', 'egress'] as const).map((direction): Cell => {
        const hook = hooks.find((each) => each.direction === direction);
        const isOurs = hook?.status === 'ours';
        return isOurs
          ? `${hook.attached ?? ''} ${hook.program?.id ?? ''}`
          : { text: hook?.status ?? 'missing', paint: 'red' };
      }),
      addresses.join(' '),
    ];
  });
  const unmet = wanted.map(({ id }): Cell[] => [id, { text: 'wanted', paint: 'red' }]);
  return output.table([['POD', 'STATE', 'MODE', 'INTERFACE', 'INGRESS', 'EGRESS', 'ADDRESSES'], ...unmet, ...rows]);
}

function programTable(
  { programs }: ControlStatus,
  output: Output,
  { measured, now }: Pick<StatusTextOptions, 'measured' | 'now'>,
): string {
  const used = programs.filter(({ hooks }) => hooks.length > 0);
  const kept = programs.length - used.length;
  if (programs.length === 0) return '';
  const rows = used.map(({ id, name, tag, loaded, hooks, runs, runTimeNs }): Cell[] => {
    const now_ = measured?.programs.find((program) => program.id === id);
    const count = now_?.runs ?? runs ?? 0n;
    const average = now_ === undefined ? averageOf(runs, runTimeNs) : now_.averageNs;
    const [first = '', second, ...rest] = hooks;
    const where =
      second === undefined
        ? first
        : rest.length === 0
          ? `${first}, ${second}`
          : `${first} and ${hooks.length - 1} more`;
    return [
      name,
      String(id),
      tag,
      span(now - Date.parse(loaded)),
      count === 0n ? '-' : whole(count),
      average === undefined ? '-' : average.toFixed(0),
      where,
    ];
  });
  const head = ['PROGRAM', 'ID', 'TAG', 'AGE', 'RUNS', 'NS/RUN', 'RUNS AT'];
  const notes = [
    ...(kept === 0
      ? []
      : [output.paint('dim', `${number(kept, 'program is', 'programs are')} kept for the next pod.`)]),
    ...(measured === undefined ? [] : [output.paint('dim', `Runs of ${measured.seconds} seconds.`)]),
  ];
  return [output.table([head, ...rows]), ...notes].join('\n');
}

function mapTable({ maps }: ControlStatus, output: Output): string {
  const rows = maps.map(({ name, entries, limit, holds, isNearlyFull }): Cell[] => {
    const share = Math.round((entries / limit) * 100);
    const text = `${share} %`;
    return [name, whole(entries), whole(limit), isNearlyFull ? { text, paint: 'yellow' } : text, holds];
  });
  return output.table([['MAP', 'ENTRIES', 'ROOM', 'FULL', 'HOLDS'], ...rows]);
}
