import type { Program } from '../../asm/index.ts';
import { buildProgram, type Describe, type ProgramOptions } from '../build.ts';
import { SK_DROP, SK_PASS } from '../constants.ts';
import type { ContextView } from '../context.ts';
import { SK_LOOKUP_FIELDS } from '../contexts/sk-lookup.ts';
import type { Ended } from '../ended.ts';
import { scalar } from '../helper-arguments.ts';
import { callHelper } from '../helper-call.ts';
import type { Socket } from '../sockets.ts';
import { contextOf, ending, toolbox, type Toolbox } from '../toolbox.ts';
import type { Unit } from '../unit.ts';
import { makeValue, type Value } from '../value.ts';

/** How a socket is chosen (`BPF_SK_LOOKUP_F_REPLACE`, `BPF_SK_LOOKUP_F_NO_REUSEPORT`). */
export interface AssignOptions {
  /** Also in the place of a socket that was chosen before. */
  readonly replace?: boolean;
  /** False: this very socket, not another one of its `SO_REUSEPORT` group. */
  readonly reuseport?: boolean;
}

/** What a program that chooses a listener has to work with. */
export interface SkLookupTools<L extends string> extends Toolbox<'sk_lookup', L> {
  /** The packet that wants a socket. */
  readonly connection: ContextView<typeof SK_LOOKUP_FIELDS>;
  /** Goes on with the socket that was chosen, or the usual look-up (`SK_PASS`). */
  readonly pass: () => Ended;
  /** Refuses (`SK_DROP`). */
  readonly drop: () => Ended;
  /**
   * Chooses a socket. Gives 0 or a negative error number: `-97` (`EAFNOSUPPORT`) for a listener of the wrong family, `-17` (`EEXIST`) where one was chosen
   * already.
   */
  readonly assign: (socket: Socket, options?: AssignOptions) => Value<'i64'>;
}

/**
 * Describes a program that chooses the listening socket for new connections to a network namespace (`BPF_PROG_TYPE_SK_LOOKUP`, Linux 5.9).
 *
 * @param name - 1 to 15 letters, digits and underscores.
 * @param options - its licence, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 */
export function skLookup<const L extends string, O extends ProgramOptions<L>>(
  name: string,
  options: O & ProgramOptions<L>,
  describe: Describe<SkLookupTools<L>, O>,
): Program {
  return buildProgram('sk_lookup', name, { ...options, attach: 'sk_lookup' }, tools<L>, describe);
}

function tools<L extends string>(unit: Unit): SkLookupTools<L> {
  return {
    ...toolbox<'sk_lookup', L>(unit),
    connection: contextOf(unit, 'bpf_sk_lookup', SK_LOOKUP_FIELDS),
    pass: ending(unit, SK_PASS),
    drop: ending(unit, SK_DROP),
    assign: (socket, { replace = false, reuseport = true } = {}) => {
      const scope = unit.scope();
      const flags = scalar(scope, (replace ? 1 : 0) | (reuseport ? 0 : 2));
      const result = callHelper(scope, 'sk_assign', [scope.requireContext(), socket.ir, flags], {
        writes: ['context'],
        removable: false,
      });
      return makeValue(scope, 'i64', result);
    },
  };
}
