import { mapNames, type AttachType, type CpuVersion, type Program, type ProgramType } from '../asm/index.ts';
import type { MapDefinition } from '../asm/program.ts';
import { compile } from '../compile/index.ts';
import type { Instruction } from '../isa/index.ts';
import type { SourcePosition } from '../source.ts';
import type { Ended } from './ended.ts';
import { languageError, show } from './language-error.ts';
import { Scope } from './scope.ts';
import { Unit } from './unit.ts';

/** Options of every program. */
export interface ProgramOptions<L extends string> {
  /** The licence, as the kernel compares it. GPL-only helpers are there for GPL-compatible ones alone. */
  readonly licence: L;
  /** Whether the code is made short; true where nothing is said. Without, it follows the source closely, for reading. */
  readonly optimise?: boolean;
  /** Version of the instruction set; 3 where nothing is said (Linux 5.1). */
  readonly cpu?: CpuVersion;
  /** Whether instructions know the line that asked for them; true where nothing is said. */
  readonly positions?: boolean;
  /** The verdict of a path that ends without one. Where it is left out, every path must end by itself. */
  readonly otherwise?: number;
}

/** What describes a program: every path in it ends, by type, unless there is an `otherwise`. */
export type Describe<T, O> = (tools: T) => O extends { readonly otherwise: number } ? Ended | void : Ended;

/** Builds a program. */
export function buildProgram<T>(
  type: ProgramType,
  name: string,
  options: ProgramOptions<string> & { readonly attach?: AttachType },
  tools: (unit: Unit) => T,
  describe: (tools: T) => Ended | void,
): Program {
  if (!/^[A-Za-z_]\w{0,14}$/.test(name)) {
    throw languageError(
      `${show(name)} is no name for a program`,
      'use 1 to 15 letters, digits and underscores, as the kernel shows them',
    );
  }
  const { licence, optimise = true, cpu = 3, positions = true, otherwise, attach } = options;
  const unit = new Unit({ name, type, licence, positions });
  unit.names.add(name);
  const scope = new Scope(unit, name, 'program', 1, 0);
  unit.within(scope, () => {
    describe(tools(unit));
    if (!scope.reachable) return;
    if (otherwise === undefined) {
      throw languageError(
        `a path of the program ${name} ends without a verdict`,
        'return one, such as next(), or give { otherwise }',
      );
    }
    scope.return(scope.at().constant(otherwise));
  });
  const unitOfIr = { functions: [scope.finish(), ...unit.functions] };
  const { instructions: compiled, functions } = compile(unitOfIr, { optimise, cpu, positions });
  const instructions = withPositions(compiled);
  return {
    name,
    type,
    ...(attach === undefined ? {} : { expectedAttachType: attach }),
    licence,
    instructions,
    functions,
    maps: mapNames(instructions).map((map) => unit.maps.get(map) as MapDefinition),
  };
}

/** Gives what the compiler put in by itself, such as a move of the context, the line of the instruction after it. */
function withPositions(instructions: readonly Instruction[]): readonly Instruction[] {
  const placed: Instruction[] = [];
  let source: SourcePosition | undefined;
  for (const instruction of instructions.toReversed()) {
    source = instruction.source ?? source;
    placed.push(source === undefined || instruction.source === source ? instruction : { ...instruction, source });
  }
  return placed.toReversed();
}
