import {
  planOperation,
  type EngineOptions,
  type NodePlan,
  type Operation,
  type PlannedChange,
} from '../../engine/index.ts';
import type { Arguments } from '../arguments.ts';
import { EXIT, tellError } from '../errors.ts';
import type { Cell, Output, Paint } from '../output.ts';
import { nodeOf, refuseEngineOptions } from './node.ts';

const SIGN: Readonly<Record<PlannedChange['action'], { readonly text: string; readonly paint: Paint }>> = {
  make: { text: '+ make', paint: 'green' },
  replace: { text: '~ replace', paint: 'yellow' },
  set: { text: '~ set', paint: 'yellow' },
  remove: { text: '- remove', paint: 'red' },
};

/**
 * Prints what an operation would change, and changes nothing.
 * @returns the exit code: 1 where some of it would be refused
 */
export async function showPlan(
  operation: Operation,
  { args, output, engine = {} }: { readonly args: Arguments; readonly output: Output; readonly engine?: EngineOptions },
): Promise<number> {
  await refuseEngineOptions(args, engine);
  const plan = await planOperation(operation, { ...engine, ...nodeOf(args) });
  output.result(plan, () => planText(plan, output));
  return plan.refused.length === 0 ? EXIT.ok : EXIT.failed;
}

/** A plan in words: what changes, by where it does. */
function planText({ directory, changes, notes, refused }: NodePlan, output: Output): string {
  const places = new Set(changes.map(({ where }) => where));
  const blocks = [...places].toSorted(byPlace).flatMap((where) => {
    const rows = changes.filter((change) => change.where === where).map((change) => row(change));
    const head = where === 'state' ? directory : where;
    return [output.paint('bold', head), indented(output.columnsOf(rows))];
  });
  const words = refused.map(({ subject, error }) => {
    const { message, hint } = tellError(error);
    return `${output.paint('red', 'refused')} ${subject}: ${message}${hint === undefined ? '' : `; ${hint}`}`;
  });
  const nothing = changes.length === 0 ? ['nothing would change'] : [];
  return [...blocks, ...nothing, ...notes.map((note) => `${output.paint('yellow', 'note')} ${note}`), ...words].join(
    '\n',
  );
}

/** Interfaces first, then the rest. */
function byPlace(one: string, other: string): number {
  const rank = (where: string): number => ['earlier proxy', 'proxy', 'node', 'state'].indexOf(where);
  return rank(one) - rank(other);
}

function row({ action, what, how, before, after, kind, pin }: PlannedChange): readonly Cell[] {
  const change = [before, after].filter((each) => each !== undefined).join(' -> ');
  const isPin = kind === 'program' || kind === 'map';
  const rest = isPin ? [pin, how] : [change, how, pin && `pin ${pin}`];
  return [
    SIGN[action],
    isPin ? `${kind} ${what}` : what,
    rest.filter((part) => part !== undefined && part !== '').join(', '),
  ];
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
