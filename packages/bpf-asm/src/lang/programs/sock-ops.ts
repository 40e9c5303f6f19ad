import type { Program } from '../../asm/index.ts';
import { buildProgram, type Describe, type ProgramOptions } from '../build.ts';
import type { ContextView } from '../context.ts';
import { SOCK_OPS_FIELDS } from '../contexts/sock-ops.ts';
import type { Ended } from '../ended.ts';
import { contextOf, ending, toolbox, type Toolbox } from '../toolbox.ts';

/** What a program that is told of socket events has to work with. */
export interface SockOpsTools<L extends string> extends Toolbox<'sock_ops', L> {
  /** The event and its socket. */
  readonly event: ContextView<typeof SOCK_OPS_FIELDS>;
  /** Ends; what the kernel asked for, if anything, is in `reply`. */
  readonly done: () => Ended;
}

/**
 * Describes a program that is told of the events of TCP sockets in a cgroup (`BPF_PROG_TYPE_SOCK_OPS`, Linux 4.13).
 *
 * @param name - 1 to 15 letters, digits and underscores.
 * @param options - its licence, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 */
export function sockOps<const L extends string, O extends ProgramOptions<L>>(
  name: string,
  options: O & ProgramOptions<L>,
  describe: Describe<SockOpsTools<L>, O>,
): Program {
  const tools = (unit: Parameters<typeof contextOf>[0]): SockOpsTools<L> => ({
    ...toolbox<'sock_ops', L>(unit),
    event: contextOf(unit, 'bpf_sock_ops', SOCK_OPS_FIELDS),
    done: ending(unit, 1),
  });
  return buildProgram('sock_ops', name, { ...options, attach: 'cgroup_sock_ops' }, tools, describe);
}
