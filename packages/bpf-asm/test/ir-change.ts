import { select } from '../src/compile/back/select.ts';
import { allocate } from '../src/compile/back/allocate.ts';
import { emit } from '../src/compile/back/emit.ts';
import { Frame } from '../src/compile/back/frame.ts';
import type { MachineFunction } from '../src/compile/back/machine.ts';
import { FunctionBuilder, type IrFunction } from '../src/compile/index.ts';
import { loopDepths } from '../src/compile/ir/loops.ts';
import { printIr } from '../src/compile/ir/print.ts';
import { splitEdges } from '../src/compile/ir/split-edges.ts';
import { link } from '../src/asm/index.ts';
import { print } from '../src/text/index.ts';

/** What a pass makes of a function: as text, with what it was before. */
export function change(write: (b: FunctionBuilder) => void, pass: (fn: IrFunction) => void, parameters = 2): string {
  const fn = built(write, parameters);
  const before = printIr(fn);
  pass(fn);
  return `${before}\n-->\n${printIr(fn)}`;
}

/** What a pass over machine code makes of a function: as a listing, with what it was before. */
export function changeCode(
  write: (b: FunctionBuilder) => void,
  pass: (code: MachineFunction) => void,
  parameters = 2,
): string {
  const [code, again] = [0, 1].map(() => machineCode(built(write, parameters)));
  if (code === undefined || again === undefined) throw new Error('no code');
  const before = listing(code);
  pass(again);
  return `${before}-->\n${listing(again)}`;
}

/** A function as the back end has it once registers are given. */
export function machineCode(fn: IrFunction): MachineFunction {
  splitEdges(fn);
  const frame = new Frame(fn.name);
  const code = select(fn, frame, { movsx: false });
  allocate(code, frame, loopDepths(fn));
  return code;
}

/** Builds a function. */
export function built(write: (b: FunctionBuilder) => void, parameters = 2): IrFunction {
  const b = new FunctionBuilder('f', parameters);
  write(b);
  return b.finish();
}

/** The instructions of a function, one a line. */
export function listing(code: MachineFunction): string {
  return print(link(emit(code)).instructions);
}
