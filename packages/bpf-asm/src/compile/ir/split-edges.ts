import type { IrBlock, IrFunction } from './ir.ts';

/** Puts a block of its own on each edge from a branch to a block with phis, so that copies for the phis have a place where nothing else goes by. */
export function splitEdges(fn: IrFunction): void {
  const blocks: IrBlock[] = [];
  for (const block of fn.blocks) {
    blocks.push(block);
    const { terminator } = block;
    if (terminator.op !== 'branch') continue;
    const split = (to: IrBlock): IrBlock => {
      if (to.phis.length === 0) return to;
      const middle: IrBlock = {
        id: fn.newId(),
        phis: [],
        instructions: [],
        terminator: { op: 'jump', to, source: terminator.source },
      };
      for (const phi of to.phis) for (const input of phi.inputs) if (input.block === block) input.block = middle;
      blocks.push(middle);
      return middle;
    };
    terminator.yes = split(terminator.yes);
    terminator.no = split(terminator.no);
  }
  fn.blocks = blocks;
}
