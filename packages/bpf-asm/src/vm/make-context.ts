import type { ProgramType } from '../asm/kernel-types.ts';
import { BpfAsmError } from '../error.ts';
import {
  Context,
  SK_BUFF,
  SK_LOOKUP,
  SK_MSG,
  SOCK_ADDR,
  SOCK_OPS,
  XDP_MD,
  type ContextLayout,
  type ContextValues,
  type FieldAddress,
} from './contexts/index.ts';
import type { Memory } from './memory.ts';
import { MAX_PACKET, PacketBuffer } from './packet.ts';
import type { Region } from './region.ts';
import { Run, type Environment } from './run.ts';
import type { VmInput } from './vm.ts';

/** The context of each type of program that has one here. */
const CONTEXTS: Readonly<Partial<Record<ProgramType, readonly [Run['kind'], ContextLayout]>>> = {
  sched_cls: ['skb', SK_BUFF],
  sched_act: ['skb', SK_BUFF],
  xdp: ['xdp', XDP_MD],
  sk_lookup: ['socket', SK_LOOKUP],
  sock_ops: ['socket', SOCK_OPS],
  sk_msg: ['socket', SK_MSG],
  cgroup_sock_addr: ['socket', SOCK_ADDR],
};

/**
 * Makes the context of a run, and the packet where there is one.
 *
 * @throws BpfAsmError `ERR_UNSUPPORTED` when the program's type has no context here, `ERR_INVALID_ARGUMENT` when the input does
 * not fit.
 */
export function makeContext(type: ProgramType, input: VmInput, memory: Memory, environment: Environment): Run {
  const known = CONTEXTS[type];
  if (known === undefined) {
    throw new BpfAsmError('ERR_UNSUPPORTED', `the interpreter has no context for programs of type ${type}`);
  }
  const [kind, layout] = known;
  const run = new Run(kind, environment);
  run.socket = input.socket;
  run.tunnelKey = input.tunnelKey;
  const takesPacket = kind === 'skb' || kind === 'xdp' || type === 'sk_msg';
  if (takesPacket) run.packet = makePacket(input, memory, layout);
  else if (input.packet !== undefined) throw wrong(`programs of type ${type} have no packet`);
  let shown: Region | undefined;
  run.context = new Context(layout, withDefaults(kind, input), (name): FieldAddress | undefined => {
    if (name !== 'sk') return run.packet?.address(name);
    if (run.socket === undefined) return undefined;
    if (shown?.object !== run.socket) shown = run.socket.reference();
    return { region: shown, offset: 0 };
  });
  return run;
}

function makePacket(
  { packet = new Uint8Array(0), linear = packet.length }: VmInput,
  memory: Memory,
  layout: ContextLayout,
): PacketBuffer {
  if (packet.length > MAX_PACKET) throw wrong(`a packet of ${packet.length} bytes is longer than ${MAX_PACKET}`);
  if (!Number.isInteger(linear) || linear < 0 || linear > packet.length) {
    throw wrong(`linear is a whole number from 0 to the packet's ${packet.length} bytes, not ${linear}`);
  }
  if (layout !== SK_BUFF && linear !== packet.length) throw wrong(`${layout.name} has no bytes out of direct reach`);
  return new PacketBuffer(memory, packet, linear);
}

/** What the kernel fills in from the packet, where the test says nothing else. */
function withDefaults(kind: Run['kind'], { packet, context = {} }: VmInput): ContextValues {
  if (kind !== 'skb' || packet === undefined) return context;
  const protocol = packet.length < 14 ? 0 : (packet[12] as number) | ((packet[13] as number) << 8);
  return { len: packet.length, wire_len: packet.length, protocol, ...context };
}

function wrong(what: string): BpfAsmError {
  return new BpfAsmError('ERR_INVALID_ARGUMENT', what);
}
