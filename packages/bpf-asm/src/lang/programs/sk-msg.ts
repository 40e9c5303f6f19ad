import type { Program } from '../../asm/index.ts';
import { buildProgram, type Describe, type ProgramOptions } from '../build.ts';
import { SK_DROP, SK_PASS } from '../constants.ts';
import type { ContextView } from '../context.ts';
import { SK_MSG_FIELDS } from '../contexts/sk-msg.ts';
import type { Ended } from '../ended.ts';
import { ending, packetContext, toolbox, type Packet, type Toolbox } from '../toolbox.ts';
import type { Unit } from '../unit.ts';

/** What a program that sees the messages of sockets in a map has to work with. */
export interface SkMsgTools<L extends string> extends Toolbox<'sk_msg', L> {
  /** The message: its connection, and its bytes, of which the first can be parsed. */
  readonly message: ContextView<typeof SK_MSG_FIELDS> & Packet;
  /** Lets the message pass, or to where a redirect helper said (`SK_PASS`). */
  readonly pass: () => Ended;
  /** Refuses the message (`SK_DROP`). */
  readonly drop: () => Ended;
}

/**
 * Describes a program that sees what is sent on sockets of a sockmap or sockhash (`BPF_PROG_TYPE_SK_MSG`, Linux 4.17).
 *
 * @param name - 1 to 15 letters, digits and underscores.
 * @param options - its licence, and how it is compiled.
 * @param describe - is run once, now: what it calls becomes the program.
 * @throws BpfAsmError `ERR_LANGUAGE`, `ERR_HELPER`, `ERR_LICENCE` naming the line, `ERR_COMPILE`.
 */
export function skMsg<const L extends string, O extends ProgramOptions<L>>(
  name: string,
  options: O & ProgramOptions<L>,
  describe: Describe<SkMsgTools<L>, O>,
): Program {
  const tools = (unit: Unit): SkMsgTools<L> => ({
    ...toolbox<'sk_msg', L>(unit),
    message: packetContext(unit, 'sk_msg_md', SK_MSG_FIELDS, { data: 0, end: 8, size: 8 }),
    pass: ending(unit, SK_PASS),
    drop: ending(unit, SK_DROP),
  });
  return buildProgram('sk_msg', name, { ...options, attach: 'sk_msg_verdict' }, tools, describe);
}
