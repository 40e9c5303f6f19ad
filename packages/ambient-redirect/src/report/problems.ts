import type { ControlStatus } from '../control/index.ts';
import type { StatusProblem } from '../engine/index.ts';

/** Everything that is wanted and not so: what the engine finds, and what an agent could not do. */
export function problemsOf({ problems, wanted = [], agent }: ControlStatus): readonly StatusProblem[] {
  return [
    ...(agent?.problems ?? []).map(({ subject, error }) => ({ subject, what: error })),
    ...wanted.map(({ id, error }) => ({ subject: id, what: `is wanted, and not enrolled: ${error}` })),
    ...problems,
  ];
}
