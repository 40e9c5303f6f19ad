import { successorsOf } from '../ir/graph.ts';
import type { IrBlock, IrValue } from '../ir/ir.ts';
import { inputFrom } from '../ir/operands.ts';

/**
 * Makes a block that leads to `over` lead to `to` instead, one of the places that `over` leads to. The phis of `to` get for the new edge what they had by way of
 * `over`, whose own phis must not be used elsewhere.
 *
 * @returns false, and nothing is changed, where the block leads to `to` already and a phi would need two values for the one edge.
 */
export function redirect(from: IrBlock, over: IrBlock, to: IrBlock): boolean {
  const through = (value: IrValue): IrValue =>
    value.op === 'phi' && over.phis.includes(value) ? (inputFrom(value, from) ?? value) : value;
  const twice = successorsOf(from.terminator).includes(to);
  const values = to.phis.map((phi) => {
    const value = inputFrom(phi, over);
    return value === undefined ? undefined : through(value);
  });
  if (values.includes(undefined)) return false;
  if (twice && to.phis.some((phi, index) => inputFrom(phi, from) !== values[index])) return false;
  to.phis.forEach((phi, index) => {
    if (!twice) phi.inputs.push({ block: from, value: values[index] as IrValue });
  });
  for (const phi of over.phis) phi.inputs = phi.inputs.filter((input) => input.block !== from);
  const { terminator } = from;
  if (terminator.op === 'jump') terminator.to = to;
  if (terminator.op !== 'branch') return true;
  if (terminator.yes === over) terminator.yes = to;
  if (terminator.no === over) terminator.no = to;
  if (terminator.yes === terminator.no) from.terminator = { op: 'jump', to, source: terminator.source };
  return true;
}
