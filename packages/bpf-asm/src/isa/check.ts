import { BpfAsmError } from '../error.ts';
import type { SourcePosition } from '../source.ts';
import type { Instruction, Target } from './instruction.ts';

/**
 * Checks what types cannot promise to a caller in JavaScript, as far as reading the instructions needs it: that there is a list, of
 * objects, and that 64-bit immediates have a value. Fields are checked by `encode`.
 *
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when it is no array, `ERR_INVALID_INSTRUCTION` that names the instruction.
 */
export function checkInstructions(instructions: readonly (Instruction<Target> | { readonly kind: 'label' })[]): void {
  const given: unknown = instructions;
  if (!Array.isArray(given)) {
    throw new BpfAsmError('ERR_INVALID_ARGUMENT', 'the instructions are not an array', { field: 'instructions' });
  }
  for (let index = 0; index < given.length; index++) {
    const instruction = given[index] as Partial<Record<'kind' | 'value' | 'source', unknown>> | null | undefined;
    const found = typeof instruction === 'object' && instruction !== null;
    if (found && (instruction.kind !== 'ld_imm64' || (typeof instruction.value === 'object' && instruction.value)))
      continue;
    throw new BpfAsmError('ERR_INVALID_INSTRUCTION', found ? 'ld_imm64 has no value' : 'this is no instruction', {
      instruction: index,
      field: found ? 'value' : 'kind',
      ...(found && instruction.source !== undefined ? { source: instruction.source as SourcePosition } : {}),
    });
  }
}
