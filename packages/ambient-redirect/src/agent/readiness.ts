import type { ControlStatus } from '../control/index.ts';
import type { Problem } from './wanted.ts';

/** A problem as a line: what the error begins with is not said twice. */
export function problemText({ subject, error }: Problem): string {
  return error.startsWith(`${subject}:`) ? error : `${subject}: ${error}`;
}

/** Why a node is not ready, a line each: a proxy that does not listen, pods that are wanted and not enrolled or not whole, files that say nothing. */
export function problemsOf({ proxy, pods, wanted = [], agent }: ControlStatus): string[] {
  const ofProxy =
    proxy === undefined
      ? ['proxy: there is none']
      : proxy.status === 'listening'
        ? []
        : [`proxy: it is away: ${proxy.missing.join(', ')}`];
  return [
    ...ofProxy,
    ...wanted.map(({ id, error }) => problemText({ subject: id, error })),
    ...pods
      .filter(({ problems }) => problems.length > 0)
      .map(({ id, problems }) => problemText({ subject: id, error: problems.join(', ') })),
    ...(agent?.problems ?? []).map(problemText),
  ];
}
