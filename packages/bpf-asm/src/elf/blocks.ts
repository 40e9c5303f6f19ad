import { functionTarget, jumpTarget, landing, mapNames, slotMap, type Program } from '../asm/index.ts';
import { BpfAsmError } from '../error.ts';
import type { Instruction } from '../isa/index.ts';

/** The section of functions that programs call: the only one where libbpf looks for them. */
export const TEXT = '.text';

/** A function of a program, and where it goes in the object. */
export interface Block {
  readonly name: string;
  /** Index of its first instruction in the program, and of the one after its last. */
  readonly from: number;
  readonly to: number;
  /** Slot of its first instruction in the program, and of the one after its last. */
  readonly fromSlot: number;
  readonly toSlot: number;
  readonly section: string;
  /** Slot of its first instruction in the section. */
  readonly slot: number;
}

/** A program that is laid out: a block for itself, the first, and one for each function. */
export interface LaidOut {
  readonly program: Program;
  readonly section: string;
  readonly blocks: readonly Block[];
  /** Index of the block that the call or the function pointer at an index leads to. */
  readonly calls: ReadonlyMap<number, number>;
}

/**
 * Gives every function its place: the program itself in its section, the functions that it calls in {@link TEXT}.
 *
 * @param program - the program.
 * @param section - its section.
 * @param sizes - slots in each section so far; what the program takes is added.
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when functions are not in order, `ERR_OUT_OF_RANGE` when a jump leaves its function or a call
 * leads to no function, `ERR_UNSUPPORTED` for what no object can say, `ERR_UNRESOLVED` for a map that is not among the program's.
 */
export function layOut(program: Program, section: string, sizes: Map<string, number>): LaidOut {
  const { instructions, functions } = program;
  const slots = slotMap(instructions);
  const at = (index: number): number => slots.slotOf[index] as number;
  const blocks: Block[] = [];
  const starts = functions.length === 0 ? [{ name: program.name, index: 0 }] : functions;
  starts.forEach(({ name, index }, i) => {
    const to = starts[i + 1]?.index ?? instructions.length;
    if (!(Number.isInteger(index) && index < to) || (i === 0 && index !== 0)) {
      throw new BpfAsmError('ERR_INVALID_ARGUMENT', `function ${name} of ${program.name} has no instructions`, {
        field: 'functions',
        hint: 'give functions in the order of their first instruction, the first at 0',
      });
    }
    const place = i === 0 ? section : TEXT;
    const slot = sizes.get(place) ?? 0;
    blocks.push({
      name: i === 0 ? program.name : name,
      from: index,
      to,
      fromSlot: at(index),
      toSlot: at(to),
      section: place,
      slot,
    });
    sizes.set(place, slot + at(to) - at(index));
  });

  const known = new Set(program.maps.map(({ name }) => name));
  const missing = mapNames(instructions).find((name) => !known.has(name));
  if (missing !== undefined)
    throw new BpfAsmError('ERR_UNRESOLVED', `${program.name} has no map "${missing}"`, {
      hint: 'give its definition with the program',
    });

  const calls = new Map<number, number>();
  let current = 0;
  instructions.forEach((instruction, index) => {
    if (index === blocks[current]?.to) current++;
    const block = blocks[current] as Block;
    const to = landing(instructions, slots, index);
    if (functionTarget(instruction) !== undefined) {
      const callee = blocks.findIndex(({ from }) => from === to);
      if (callee < 0) throw fault('ERR_OUT_OF_RANGE', program, index, 'no function begins where it leads');
      if (callee === 0)
        throw fault('ERR_UNSUPPORTED', program, index, 'the program calls itself, which no object can say');
      calls.set(index, callee);
    } else if (
      jumpTarget(instruction) !== undefined &&
      !(typeof to === 'number' && to >= block.from && to < block.to)
    ) {
      throw fault('ERR_OUT_OF_RANGE', program, index, 'it leads out of its function');
    }
    if (instruction.kind === 'ld_imm64' && 'map' in instruction.value && typeof instruction.value.map === 'number') {
      throw fault('ERR_UNSUPPORTED', program, index, 'a file descriptor means nothing in an object: name the map');
    }
  });
  return { program, section, blocks, calls };
}

function fault(
  code: 'ERR_OUT_OF_RANGE' | 'ERR_UNSUPPORTED',
  program: Program,
  index: number,
  problem: string,
): BpfAsmError {
  const instruction = program.instructions[index] as Instruction;
  return new BpfAsmError(code, `${program.name}: ${instruction.kind}: ${problem}`, {
    instruction: index,
    ...(instruction.source === undefined ? {} : { source: instruction.source }),
  });
}
