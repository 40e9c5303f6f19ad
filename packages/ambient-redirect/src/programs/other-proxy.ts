import { all, not, u32, when, type Condition, type Ip } from 'bpf-asm';
import { connectionTuple, TCP_STATE } from './socket-tuple.ts';
import type { Tools } from './tools.ts';
import type { PacketPorts } from './verdict.ts';

/**
 * Whether a segment is of a connection that a proxy in another namespace has: the kernel is asked for its socket there. So nothing has to be
 * noted, and nothing can be missed; it costs a look-up of the segment's addresses and ports among the sockets of that namespace.
 *
 * A listener is no connection. Nor is one that has just ended (TIME_WAIT), to a segment that begins another by the same ports.
 * @param netnsId the id that the packet's namespace has for the other (`IFLA_LINK_NETNSID`); wants Linux 5.2
 */
export function isConnectedIn(
  tools: Tools,
  netnsId: number,
  ip: Ip,
  { source, destination, isSyn }: PacketPorts & { readonly isSyn: Condition },
): Condition {
  const { helpers, variable } = tools;
  const found = variable(u32, 0);
  const tuple = connectionTuple(tools, ip);
  tuple.set({ sourcePort: source, destinationPort: destination });
  helpers.skcLookupTcp(tuple, netnsId, 0).ifPresent((socket) => {
    const { state } = socket.fields;
    const hasEnded = all(isSyn, () => state.eq(TCP_STATE.timeWait));
    when(state.ne(TCP_STATE.listen), () => void when(not(hasEnded), () => found.set(1)));
  });
  return found.get().ne(0);
}
