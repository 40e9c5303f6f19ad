import { RedirectEngine, type ReconcileReport } from '../../engine/index.ts';
import type { Control } from '../../control/index.ts';
import type { CommandRun } from '../command-spec.ts';
import { EXIT, tellError } from '../errors.ts';
import type { Output } from '../output.ts';
import { openToChange } from './node.ts';
import { showPlan } from './plan.ts';

/** `ambient-redirect reconcile`. */
export const run: CommandRun = async ({ args, output }) => {
  if (args.flag('dry-run')) return showPlan({ kind: 'reconcile' }, { args, output });
  await using control = await openToChange(args);
  const report = await reconcileAll(control);
  output.result(report, () => reportText(report, output));
  return report.failed.length === 0 ? EXIT.ok : EXIT.failed;
};

/** Reconciles; what an engine of this process mended when it was opened counts. */
export async function reconcileAll(control: Control): Promise<ReconcileReport> {
  const { repaired = [], removed = [] } = (control instanceof RedirectEngine ? control.opening : undefined) ?? {};
  const report = await control.reconcile();
  return {
    repaired: [...repaired, ...report.repaired],
    removed: [...removed, ...report.removed],
    failed: report.failed,
  };
}

/** A report in words, one thing a line. */
export function reportText({ repaired, removed, failed }: ReconcileReport, output: Output): string {
  const lines = [
    ...repaired.map(({ subject, found }) => `${output.paint('yellow', 'mended')}   ${subject}: ${found}`),
    ...removed.map((id) => `${output.paint('yellow', 'removed')}  ${id}: its interface is gone, or it has drained`),
    ...failed.map(({ subject, error }) => {
      const { message, hint } = tellError(error);
      return `${output.paint('red', 'failed')}   ${subject}: ${message}${hint === undefined ? '' : `; ${hint}`}`;
    }),
  ];
  return lines.length === 0 ? 'all is as it is wanted' : lines.join('\n');
}
