import type { Context } from '../contexts/index.ts';
import type { Machine } from '../machine.ts';
import type { PacketBuffer } from '../packet.ts';

/** The packet of a helper that takes the context as its first argument. */
export function packetOf(machine: Machine): PacketBuffer {
  const { packet } = machine.run;
  contextOf(machine);
  if (packet === undefined) throw machine.trap('this context has no packet');
  return packet;
}

/** The context that a helper is given as its first argument. */
export function contextOf(machine: Machine): Context {
  const { context } = machine.run;
  if (context === undefined || machine.regionAt(1) !== context.region || machine.s32(1) !== 0) {
    throw machine.trap('r1 is not the context');
  }
  return context;
}
