import type { IrFunction } from '../ir/ir.ts';
import { mergeBoundsChecks } from './bounds-checks.ts';
import { propagateConstants } from './constants.ts';
import { simplifyControlFlow } from './control-flow.ts';
import { removeDeadCode } from './dead-code.ts';
import { decideImplied } from './implied-branches.ts';
import { simplify } from './simplify.ts';
import { removeDeadStores } from './dead-stores.ts';
import { joinStores } from './join-stores.ts';
import { numberValues } from './value-numbering.ts';

/** Each round finds what the one before has made possible; the second or third rarely finds anything. */
const ROUNDS = 4;

/** Makes a function shorter, by all passes in turn, until nothing changes or some rounds have gone by. */
export function optimise(fn: IrFunction): void {
  for (let round = 0; round < ROUNDS; round++) {
    propagateConstants(fn);
    simplify(fn);
    simplifyControlFlow(fn);
    numberValues(fn);
    mergeBoundsChecks(fn);
    decideImplied(fn);
    removeDeadStores(fn);
    joinStores(fn);
    removeDeadCode(fn);
  }
  simplifyControlFlow(fn);
}
