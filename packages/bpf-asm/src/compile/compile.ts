import { link, type CpuVersion, type Item, type Linked } from '../asm/index.ts';
import { BpfAsmError, checkObjects } from '../error.ts';
import { allocate } from './back/allocate.ts';
import { emit } from './back/emit.ts';
import { Frame } from './back/frame.ts';
import { layOut } from './back/layout.ts';
import { placeSlots } from './back/places.ts';
import { setBeforeBranch } from './back/early-settings.ts';
import { shareTails } from './back/tails.ts';
import { shareVerdicts } from './back/verdicts.ts';
import { dropRedundantSettings } from './back/redundant-settings.ts';
import { select } from './back/select.ts';
import { cloneFunction } from './ir/clone.ts';
import { removeUnreachable } from './ir/graph.ts';
import type { IrFunction, IrUnit, IrValue } from './ir/ir.ts';
import { loopDepths } from './ir/loops.ts';
import { operandsOf } from './ir/operands.ts';
import { removeDeadCode } from './passes/dead-code.ts';
import { optimise } from './passes/optimise.ts';
import { legalise } from './passes/legalise.ts';
import { splitEdges } from './ir/split-edges.ts';

/** Options of {@link compile}. */
export interface CompileOptions {
  /** Whether the code is made short; true where nothing is said. Without, it follows the source closely, for reading. */
  readonly optimise?: boolean;
  /** Version of the instruction set: jumps on 32 bits are from 3 on, signed division, byte swaps and sign extension from 4; 3 where nothing is said. */
  readonly cpu?: CpuVersion;
  /** Whether instructions carry the positions in the source that asked for them; true where nothing is said. */
  readonly positions?: boolean;
}

/**
 * Compiles functions to linked instructions. Pure and deterministic: the same unit gives the same bytes, and is not changed.
 *
 * @param unit - the first function is the program; functions that nothing calls are left out.
 * @throws BpfAsmError `ERR_COMPILE` when the program needs more stack than there is, or calls a function that is not there.
 */
export function compile(unit: IrUnit, options: CompileOptions = {}): Linked {
  checkObjects(unit?.functions, 'functions');
  const { cpu = 3, positions = true, optimise: short = true } = options;
  const given = called(unit.functions.map(cloneFunction));
  if (short) given.forEach(optimise);
  // Calls may have gone with code that is never reached.
  const functions = called(given);
  const items: Item[] = [];
  for (const fn of functions) items.push(...lower(fn, cpu, short));
  const entry = functions[0] as IrFunction;
  return link(positions ? items : items.map(withoutSource), { entry: entry.name, cpu });
}

function lower(fn: IrFunction, cpu: CpuVersion, short: boolean): Item[] {
  removeUnreachable(fn);
  legalise(fn, cpu);
  if (short) removeDeadCode(fn);
  splitEdges(fn);
  const frame = new Frame(fn.name);
  if (short) placeSlots(fn, frame);
  const code = select(fn, frame, { movsx: cpu >= 4 });
  if (short) setBeforeBranch(code);
  allocate(code, frame, loopDepths(fn));
  if (short) {
    dropRedundantSettings(code);
    shareTails(code);
    shareVerdicts(code);
    layOut(code);
  }
  return emit(code);
}

/** The first function and those that are called from it, in the order they were given. */
function called(functions: readonly IrFunction[]): IrFunction[] {
  const byName = new Map<string, IrFunction>();
  for (const fn of functions) {
    if (byName.has(fn.name)) throw new BpfAsmError('ERR_COMPILE', `there are two functions ${fn.name}`);
    byName.set(fn.name, fn);
  }
  const entry = functions[0];
  if (entry === undefined) throw new BpfAsmError('ERR_COMPILE', 'there is no function to compile');
  const reached = new Set([entry]);
  for (const fn of reached) {
    for (const name of namesCalled(fn)) {
      const callee = byName.get(name);
      if (callee === undefined) {
        throw new BpfAsmError('ERR_COMPILE', `function ${fn.name} calls ${name}, which is not in the unit`, {
          hint: `functions: ${[...byName.keys()].join(', ')}`,
        });
      }
      reached.add(callee);
    }
  }
  return functions.filter((fn) => reached.has(fn));
}

/** The functions that a function calls, and those whose address it takes. */
function namesCalled(fn: IrFunction): string[] {
  const names: string[] = [];
  const look = (value: IrValue): void => {
    if (value.op === 'function_address') names.push(value.name);
  };
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const { value } of phi.inputs) look(value);
    for (const instruction of block.instructions) {
      if (instruction.op === 'call' && instruction.callee.kind === 'local') names.push(instruction.callee.name);
      operandsOf(instruction).forEach(look);
    }
    operandsOf(block.terminator).forEach(look);
  }
  return names;
}

function withoutSource(item: Item): Item {
  const { source, ...rest } = item;
  return source === undefined ? item : (rest as Item);
}
