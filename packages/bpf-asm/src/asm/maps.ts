import { BpfAsmError } from '../error.ts';
import { checkInstructions } from '../isa/check.ts';
import type { Imm64, Instruction, Target } from '../isa/index.ts';

/** Names of the maps that instructions refer to, in the order of their first use. */
export function mapNames(instructions: readonly Instruction<Target>[]): string[] {
  checkInstructions(instructions);
  const names = new Set<string>();
  for (const instruction of instructions) {
    const map = mapOf(instruction);
    if (typeof map === 'string') names.add(map);
  }
  return [...names];
}

/**
 * Gives named maps their file descriptors, which is the last step before a program is encoded for the kernel.
 *
 * @param instructions - what refers to maps by name; not changed.
 * @param fdOf - the file descriptor of a name; undefined where there is no such map.
 * @throws BpfAsmError `ERR_UNRESOLVED` naming the map and the instruction.
 */
export function resolveMaps(
  instructions: readonly Instruction[],
  fdOf: (name: string) => number | undefined,
): Instruction[] {
  checkInstructions(instructions);
  return instructions.map((instruction, index) => {
    const map = mapOf(instruction);
    if (typeof map !== 'string' || instruction.kind !== 'ld_imm64') return instruction;
    const fd = fdOf(map);
    if (fd === undefined) {
      throw new BpfAsmError('ERR_UNRESOLVED', `ld_imm64: there is no map "${map}"`, {
        instruction: index,
        field: 'map',
        ...(instruction.source === undefined ? {} : { source: instruction.source }),
        hint: 'give its definition with the program, or its file descriptor',
      });
    }
    return { ...instruction, value: { ...instruction.value, map: fd } as Imm64 };
  });
}

function mapOf(instruction: Instruction<Target>): number | string | undefined {
  return instruction.kind === 'ld_imm64' && 'map' in instruction.value ? instruction.value.map : undefined;
}
