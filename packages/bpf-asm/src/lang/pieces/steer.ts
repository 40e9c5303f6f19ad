import type { Program } from '../../asm/index.ts';
import {
  AF_INET,
  choose,
  IPPROTO_TCP,
  IPPROTO_UDP,
  mappedIpv6,
  match,
  skLookup,
  sockmap,
  when,
  type Ended,
  type Value,
} from '../index.ts';
import { u32 } from '../../layout/index.ts';
import { AddressKey, pods, pods4, VERDICT, verdicts } from './layouts.ts';

/** Indices of {@link listeners}. */
export const LISTENER = { outbound: 0, hbone: 1, inbound: 2, dns: 3 } as const;

/** The proxy's listening sockets. */
const listeners = sockmap('listeners', {
  maxEntries: 4,
});

/** What is fixed for the proxy when the program is made. */
export interface SteerFacts {
  /** The proxy's own device, which all its traffic comes in by. */
  readonly ifindex: number;
  readonly families: 'ipv4' | 'both';
  readonly dns?: boolean;
}

/** New connections that reach the proxy's namespace: which of its listeners gets them follows from who calls, and the port. */
export function steer(facts: SteerFacts): Program {
  return skLookup(
    'ztunnel_steer',
    { licence: 'Apache-2.0' },
    ({ connection, pass, drop, lookup, assign, count, record, variable, value }) => {
      when(connection.ingressIfindex.ne(facts.ifindex), pass);
      if (facts.families === 'ipv4') when(connection.family.ne(AF_INET), pass);
      return match(
        connection.protocol,
        {
          [IPPROTO_TCP]: () => {
            const byPort = choose(connection.localPort.eq(15008), value(u32, LISTENER.hbone), LISTENER.inbound);
            const slot = variable(u32, byPort);
            if (facts.families === 'ipv4') {
              lookup(pods4, { address: connection.remoteIp4 }).ifPresent((pod) => {
                when(pod.classify.ne(0), () => slot.set(LISTENER.outbound));
              });
            } else {
              const key = record(AddressKey);
              when(
                connection.family.eq(AF_INET),
                () => key.set({ address: mappedIpv6(connection.remoteIp4) }),
                () => key.set({ address: connection.remoteIp6 }),
              );
              lookup(pods, key).ifPresent((pod) => {
                when(pod.classify.ne(0), () => slot.set(LISTENER.outbound));
              });
            }
            return handTo(slot.get());
          },
          ...(facts.dns === true
            ? { [IPPROTO_UDP]: () => when(connection.localPort.eq(53), () => handTo(LISTENER.dns), pass) }
            : {}),
        },
        pass,
      );

      function handTo(slot: number | Value<'u32'>): Ended {
        lookup(listeners, slot).ifPresent((socket) => {
          when(assign(socket).eq(0), pass);
        });
        count(verdicts, VERDICT.noListener, 1);
        return drop();
      }
    },
  );
}
