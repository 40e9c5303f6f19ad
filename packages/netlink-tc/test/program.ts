import { link, type Item, type MapDefinition, type Program, type ProgramType } from 'bpf-asm';

/** A program of the given instructions, for tests. */
export function programOf(
  items: readonly Item[],
  options: {
    readonly name?: string;
    readonly type?: ProgramType;
    readonly licence?: string;
    readonly maps?: readonly MapDefinition[];
    readonly expectedAttachType?: Program['expectedAttachType'];
  } = {},
): Program {
  const { name = 'test', type = 'sched_cls', licence = 'Apache-2.0', maps = [], expectedAttachType } = options;
  const { instructions, functions } = link(items);
  return {
    name,
    type,
    licence,
    instructions,
    functions: functions.length > 0 ? functions : [{ name, index: 0 }],
    maps,
    ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
  };
}
