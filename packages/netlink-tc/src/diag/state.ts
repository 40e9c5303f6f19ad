import { NetlinkTcError } from '../error.ts';

/** Numbers of the states, `TCP_*` (`net/tcp_states.h`). */
const STATES = {
  established: 1,
  syn_sent: 2,
  syn_recv: 3,
  fin_wait1: 4,
  fin_wait2: 5,
  time_wait: 6,
  close: 7,
  close_wait: 8,
  last_ack: 9,
  listen: 10,
  closing: 11,
} as const;

/** A state of a TCP socket, by the kernel's name. UDP sockets are `established` when they are connected, else `close`. */
export type TcpState = keyof typeof STATES;

/** All states that have a name here. */
export const TCP_STATES: readonly TcpState[] = Object.keys(STATES) as TcpState[];

/**
 * The states of a connection that can still carry something, from the first SYN on: all but `listen`, `close` and `time_wait`. The
 * last are by far the most on a busy host.
 */
export const TCP_CONNECTED: readonly TcpState[] = TCP_STATES.filter(
  (state) => state !== 'listen' && state !== 'close' && state !== 'time_wait',
);

const BY_NUMBER: readonly (TcpState | undefined)[] = Array.from({ length: 16 }, (_, number) =>
  TCP_STATES.find((state) => STATES[state] === number),
);

/** The name of a state, or its number where it has none. */
export function stateName(number: number): TcpState | number {
  return BY_NUMBER[number] ?? number;
}

/**
 * The set of states as the bits of a request.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for no state at all, and for names that are none
 */
export function stateMask(states: readonly TcpState[]): number {
  const isList: boolean = Array.isArray(states);
  if (!isList) throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(states)} is no list of states`);
  let mask = 0;
  for (const state of states) {
    if (!Object.hasOwn(STATES, state)) {
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `'${String(state)}' is no state of a socket`, {
        hint: `known are ${TCP_STATES.join(', ')}`,
      });
    }
    mask |= 1 << STATES[state];
  }
  if (mask === 0) throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'sockets of no state at all are asked for');
  return mask;
}
