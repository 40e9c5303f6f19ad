import { encode, slotsOf, type ByteOrder, type Instruction } from '../isa/index.ts';
import { TEXT, type Block, type LaidOut } from './blocks.ts';
import { R_BPF } from './format.ts';
import type { NewSymbol } from './write-elf.ts';

/** What relocations are about. */
export interface Targets {
  /** Start of the section of functions; undefined where there are none. */
  readonly text: NewSymbol | undefined;
  /** The symbol of each map. */
  readonly maps: ReadonlyMap<string, NewSymbol>;
}

/** A relocation of a program that has no place in a section yet. */
export interface SlotRelocation {
  /** Slot in the program. */
  readonly slot: number;
  readonly type: number;
  readonly symbol: NewSymbol;
}

/**
 * Encodes a program with addends in the place of what is not known before loading, and says what is to be put there.
 *
 * @throws BpfAsmError what `encode` throws.
 */
export function relocatable(
  { program, blocks, calls }: LaidOut,
  byteOrder: ByteOrder,
  targets: Targets,
): { bytes: Uint8Array; relocations: readonly SlotRelocation[] } {
  const relocations: SlotRelocation[] = [];
  let slot = 0;
  let current = 0;
  const instructions = program.instructions.map((instruction, index): Instruction => {
    const at = slot;
    slot += slotsOf(instruction);
    if (index === blocks[current]?.to) current++;
    const relocate = (type: number, symbol: NewSymbol | undefined): void => {
      relocations.push({ slot: at, type, symbol: symbol as NewSymbol });
    };
    const callee = blocks[calls.get(index) ?? -1];
    if (callee !== undefined) {
      if (instruction.kind === 'ld_imm64') {
        relocate(R_BPF.LD_IMM64, targets.text);
        return { ...instruction, value: { type: 'const', value: BigInt(8 * callee.slot) } };
      }
      const block = blocks[current] as Block;
      if (block.section === TEXT)
        return { kind: 'call_local', target: callee.slot - (block.slot + at - block.fromSlot) - 1 };
      relocate(R_BPF.CALL, targets.text);
      return { kind: 'call_local', target: callee.slot - 1 };
    }
    if (instruction.kind !== 'ld_imm64' || !('map' in instruction.value)) return instruction;
    const { value } = instruction;
    relocate(R_BPF.LD_IMM64, targets.maps.get(String(value.map)));
    return { ...instruction, value: { type: 'const', value: BigInt(value.type === 'map_value' ? value.offset : 0) } };
  });
  return { bytes: encode(instructions, { byteOrder }), relocations };
}
