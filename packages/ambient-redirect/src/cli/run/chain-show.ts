import type { ChainLine, InterfaceChain } from '../../chain/index.ts';
import type { ControlStatus } from '../../control/index.ts';
import { isAmbientRedirectError } from '../../error.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandRun } from '../command-spec.ts';
import type { Cell, Output } from '../output.ts';
import { chainsOf, chainsOfNames, openHost } from './chains.ts';
import { openToLook } from './node.ts';

/** `ambient-redirect chain show`. */
export const run: CommandRun = async ({ args, output }) => {
  const names = args.all('INTERFACE');
  const status = await statusOf(args, names.length === 0);
  using host = await openHost(args);
  const chains =
    names.length > 0
      ? await chainsOfNames(host, names, status)
      : status === undefined
        ? []
        : await chainsOf(host, status);
  output.result({ chains }, () => chainsText(chains, output));
};

/** The status of the engine; undefined where there is none, and it is not needed: an interface may be anyone's. */
async function statusOf(args: Arguments, isNeeded: boolean): Promise<ControlStatus | undefined> {
  try {
    await using control = await openToLook(args);
    return await control.status();
  } catch (error) {
    if (isNeeded || !isAmbientRedirectError(error, 'ERR_NO_STATE')) throw error;
    return undefined;
  }
}

/** Chains in words: a table for each side of each interface. */
function chainsText(chains: readonly InterfaceChain[], output: Output): string {
  if (chains.length === 0) return 'the engine has no interface';
  return chains.map((chain) => chainText(chain, output)).join('\n\n');
}

const PASSES: Readonly<Record<InterfaceChain['passes'], string>> = {
  always: 'every packet is still there after it',
  maybe: 'some packets are still there after it',
  never: 'no packet is there any more after it',
};

function chainText(
  { interface: name, where, index, direction, entries, passes }: InterfaceChain,
  output: Output,
): string {
  const head = `${output.paint('bold', `${name} #${index}${where === 'proxy' ? ' of the proxy' : ''} ${direction}`)}: `;
  if (entries.length === 0) return `${head}nothing is attached`;
  const rows = entries.map((entry, at) => entryRow(entry, at));
  const table = output.table([['', '#', 'WHERE', 'PROGRAM', 'ID', 'RETURNS', 'THEN', 'REACHED'], ...rows]);
  return `${head}${PASSES[passes]}\n${table}`;
}

function entryRow(entry: ChainLine, at: number): Cell[] {
  const { layer, name, ours, program, filter, returns, verdicts, reached, shadowedBy } = entry;
  const before = shadowedBy.map((each) => each + 1).join(', ');
  const where = filter === undefined ? layer : `${layer} ${filter.kind} pref ${filter.priority}`;
  const told = reached === 'always' ? reached : `${reached}, after ${before}`;
  return [
    ours ? { text: 'ours', paint: 'green' } : '',
    String(at + 1),
    where,
    name ?? '?',
    program === undefined ? '-' : String(program.id),
    returns.length === 0 ? 'not read' : returns.join('|'),
    verdicts.join('|'),
    reached === 'never' ? { text: told, paint: 'red' } : reached === 'maybe' ? { text: told, paint: 'yellow' } : told,
  ];
}
