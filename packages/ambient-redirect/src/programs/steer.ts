import {
  AF_INET,
  AF_INET6,
  all,
  any,
  IPPROTO_TCP,
  IPPROTO_UDP,
  match,
  not,
  skLookup,
  u32,
  when,
  type Ended,
  type Program,
} from 'bpf-asm';
import {
  CONNECTION,
  counters,
  DIRECTION,
  LISTENER,
  LISTENER_SLOTS,
  listeners,
  POD_FLAG,
  proxyCounters,
  STEERED,
} from '../maps.ts';
import type { SteerFacts } from './facts.ts';
import { findPod, type FoundPod } from './find-pod.ts';
import { LICENCE } from './tools.ts';

const DNS_PORT = 53;

/** Never captured: whoever talks to one of these addresses means the proxy's own interface. */
const LINK_LOCAL = 'fe80::/10';

/**
 * `ztunnel_steer`: new connections that reach the proxy's network namespace. Which of its listeners gets them follows from who calls and the port; one
 * that is for the proxy itself finds its socket as everywhere. What finds no listener is refused, so that nothing goes past the proxy:
 * a client gets no answer and tries again: over IPv6, where the proxy's kernel resets it, `ztunnel_host_in` sees to that. Wants Linux 5.17.
 *
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` when a pod prefix of the node is none
 */
export function steer({ node, proxy, hbone, dns, handover, bank }: SteerFacts): Program {
  return skLookup('ztunnel_steer', { licence: LICENCE }, (tools) => {
    const { connection, pass, drop, lookup, assign, count, variable } = tools;
    const first = bank * LISTENER_SLOTS;
    const { protocol, localPort } = connection;
    when(connection.ingressIfindex.ne(proxy.ifindex), pass);
    const isQuery = all(dns, () => all(protocol.eq(IPPROTO_UDP), () => localPort.eq(DNS_PORT)));
    when(not(any(protocol.eq(IPPROTO_TCP), isQuery)), pass);

    const [caller, callerSlot, callerFlags] = [variable(u32, 0), variable(u32, 0), variable(u32, 0)];
    const family = variable(u32, 0);
    const called = (pod: FoundPod): void => {
      caller.set(pod.ifindex);
      callerSlot.set(pod.slot);
      callerFlags.set(pod.flags);
    };
    match(
      connection.family,
      {
        [AF_INET]: () => {
          when(any(...proxy.addresses.ipv4.map((own) => () => connection.localIp4.eq(own))), pass);
          called(findPod(tools, node, connection.remoteIp4));
        },
        [AF_INET6]: () => {
          when(connection.localIp6.within(LINK_LOCAL), pass);
          when(any(...proxy.addresses.ipv6.map((own) => () => connection.localIp6.eq(own))), pass);
          called(findPod(tools, node, connection.remoteIp6));
          family.set(1);
        },
      },
      pass,
    );

    const [slot, what] = [variable(u32, first + LISTENER.plaintext), variable(u32, STEERED.plaintext)];
    const aim = (listener: keyof typeof LISTENER, counted: keyof typeof STEERED): void => {
      slot.set(first + LISTENER[listener]);
      what.set(STEERED[counted]);
    };
    when(
      callerFlags.get().hasAny(POD_FLAG.classify),
      () => {
        aim('outbound', 'outbound');
        when(
          all(dns, () => localPort.eq(DNS_PORT)),
          () => aim('dnsTcp', 'dns'),
        );
      },
      () => {
        when(localPort.eq(hbone), () => aim('hbone', 'hbone'));
      },
    );
    when(
      all(dns, () => protocol.eq(IPPROTO_UDP)),
      () => {
        when(caller.get().eq(0), pass);
        aim('dnsUdp', 'dns');
      },
    );

    const listener = lookup(listeners, slot.get().add(family.get())).orElse(() => refuse('noListener'));
    when(assign(listener, { reuseport: !handover }).ne(0), () => refuse('wrongFamily'));
    count(proxyCounters, what.get(), 1);
    when(protocol.eq(IPPROTO_TCP), countForPod);
    return pass();

    /** Once for each connection, so that no packet pays for it. */
    function countForPod(): void {
      const [podSlot, direction] = [variable(u32, callerSlot.get()), variable(u32, DIRECTION.outbound)];
      when(not(callerFlags.get().hasAny(POD_FLAG.classify)), () => {
        direction.set(DIRECTION.inbound);
        when(
          family.get().eq(0),
          () => podSlot.set(findPod(tools, node, connection.localIp4).slot),
          () => podSlot.set(findPod(tools, node, connection.localIp6).slot),
        );
      });
      const index = podSlot.get().shl(6).or(direction.get().shl(5)).or(family.get().shl(4)).or(CONNECTION);
      count(counters, index, { packets: 1, bytes: 0 });
    }

    function refuse(why: keyof typeof STEERED): Ended {
      count(proxyCounters, STEERED[why], 1);
      return drop();
    }
  });
}
