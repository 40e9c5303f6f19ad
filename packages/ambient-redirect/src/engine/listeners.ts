import { listSockets, type Family, type InetSocket, type NetlinkSocket } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { LISTENER } from '../maps.ts';
import type { ProxyPorts } from '../ports.ts';

/** What one of the proxy's listeners is for. */
export type ListenerPurpose = keyof typeof LISTENER;

/** A listener of the proxy that connections are steered to. */
export interface ProxyListener {
  readonly purpose: ListenerPurpose;
  /** Whose connections it gets. */
  readonly family: Family;
  /** What it is bound to: `::` for IPv4 too where it serves both families. */
  readonly address: string;
  /** In host byte order. */
  readonly port: number;
}

/** What there is for one slot of the map `listeners`. */
export interface ListenerChoice {
  readonly slot: number;
  readonly listener: ProxyListener;
  readonly socket: InetSocket;
}

/** A listener that is not there. */
export interface MissingListener {
  readonly purpose: ListenerPurpose;
  readonly family: Family;
  /** In words: `outbound ipv4: nothing listens on tcp port 15001`. */
  readonly why: string;
  /** What to do about it. */
  readonly hint: string;
}

/** The listeners of a proxy, by slot, and what is missing. */
export interface ListenerChoices {
  readonly chosen: readonly ListenerChoice[];
  readonly missing: readonly MissingListener[];
  /** Whether all purposes that no mesh can do without are served, each in some family at least. */
  readonly complete: boolean;
}

/** Slots of the map `listeners`, in order. */
const SLOTS: readonly { readonly slot: number; readonly purpose: ListenerPurpose; readonly family: Family }[] = (
  Object.entries(LISTENER) as [ListenerPurpose, number][]
).flatMap(([purpose, slot]) => [
  { slot, purpose, family: 'ipv4' },
  { slot: slot + 1, purpose, family: 'ipv6' },
]);

/** Without these there is no proxy; the others are of use to some. */
const REQUIRED: readonly ListenerPurpose[] = ['outbound', 'plaintext'];

const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function protocolOf(purpose: ListenerPurpose): 'tcp' | 'udp' {
  return purpose === 'dnsUdp' ? 'udp' : 'tcp';
}

function portOf(purpose: ListenerPurpose, ports: ProxyPorts): number {
  return purpose === 'dnsTcp' || purpose === 'dnsUdp' ? ports.dns : ports[purpose];
}

/**
 * Lists what listens in a network namespace: TCP listeners, and UDP sockets that are not connected.
 * @param socket of the namespace, of `NETLINK_SOCK_DIAG`
 * @throws NetlinkTcError `ERR_NOT_FOUND` where the kernel cannot list sockets
 */
export async function listeningSockets(socket: NetlinkSocket): Promise<InetSocket[]> {
  const lists = await socket.batch(
    (['ipv4', 'ipv6'] as const).flatMap((family) => [
      listSockets({ protocol: 'tcp', family, states: ['listen'] }),
      listSockets({ protocol: 'udp', family, states: ['close'] }),
    ]),
  );
  return lists.flat();
}

/** What {@link chooseListeners} goes by. */
export interface ChoiceOptions {
  readonly ports: ProxyPorts;
  /** Families that the proxy has addresses of: in others nothing is missing. */
  readonly families: readonly Family[];
  /** Cookies of the sockets that have the slots now: they keep them as long as they fit. */
  readonly current?: readonly (bigint | undefined)[];
  /** Whether only sockets that are bound to no address will do: those that a look-up by port alone finds. */
  readonly anyAddress?: boolean;
}

/** Whether connections of a family can come in by a socket. */
function serves(socket: InetSocket, family: Family): boolean {
  return socket.family === family || (family === 'ipv4' && socket.v6only === false);
}

/** Why a socket that listens on the right port is of no use; undefined where it is. */
function unfit(
  socket: InetSocket,
  family: Family,
  anyAddress: boolean,
): Omit<MissingListener, 'purpose' | 'family'> | undefined {
  const { protocol, transparent, local } = socket;
  const where = local.address.includes(':') ? `[${local.address}]` : local.address;
  if (anyAddress && !ANY.has(local.address)) {
    return { why: `${where} is its only address`, hint: `bind it to ${family === 'ipv4' ? '0.0.0.0' : '[::]'}` };
  }
  // The answer to a SYN leaves from the address that the client meant: only a transparent socket may have it. IPv6 does not ask.
  if (protocol === 'tcp' && family === 'ipv4' && transparent === false) {
    return {
      why: `${where} is not transparent`,
      hint: 'set IP_TRANSPARENT on the listener, or no IPv4 client gets an answer',
    };
  }
  return undefined;
}

/**
 * Chooses among the sockets of the proxy's namespace which of them gets which connections.
 *
 * A socket of the family itself comes before one of both families, one that is bound to no address before one that is. Where nothing is there for
 * DNS over TCP, the outbound listener gets it: it is a connection of a pod like any other.
 */
export function chooseListeners(sockets: readonly InetSocket[], options: ChoiceOptions): ListenerChoices {
  const { ports, families, current = [], anyAddress = false } = options;
  const rank = ({ family, local, cookie }: InetSocket, slot: number, wanted: Family): number =>
    (cookie === current[slot] ? 0 : 4) + (ANY.has(local.address) ? 0 : 2) + (family === wanted ? 0 : 1);
  const chosen = new Map<number, ListenerChoice>();
  const missing: MissingListener[] = [];

  for (const { slot, purpose, family } of SLOTS) {
    const [protocol, port] = [protocolOf(purpose), portOf(purpose, ports)];
    const there = sockets.filter(
      (socket) => socket.protocol === protocol && socket.local.port === port && serves(socket, family),
    );
    const [best] = there
      .filter((socket) => unfit(socket, family, anyAddress) === undefined)
      .toSorted((a, b) => rank(a, slot, family) - rank(b, slot, family));
    const outbound = chosen.get(LISTENER.outbound + (slot & 1));
    const socket = best ?? (purpose === 'dnsTcp' ? outbound?.socket : undefined);
    if (socket !== undefined) {
      const { address, port: bound } = socket.local;
      chosen.set(slot, { slot, socket, listener: { purpose, family, address, port: bound } });
    } else if (families.includes(family) && purpose !== 'dnsTcp') {
      const [only] = there;
      const reason = (only && unfit(only, family, anyAddress)) ?? {
        why: `nothing listens on ${protocol} port ${port}`,
        hint: 'start the proxy first, or give its ports',
      };
      missing.push({ purpose, family, why: `${purpose} ${family}: ${reason.why}`, hint: reason.hint });
    }
  }
  const all = [...chosen.values()];
  return {
    chosen: all,
    missing,
    complete: REQUIRED.every((purpose) => all.some(({ listener }) => listener.purpose === purpose)),
  };
}

/**
 * The error for a proxy that does not listen as it must.
 * @param sockets what does listen in its namespace
 * @param owner whose sockets were looked at, in words
 */
export function notListening(
  { missing }: ListenerChoices,
  sockets: readonly InetSocket[],
  owner: string,
): AmbientRedirectError {
  const needed = missing.filter(({ purpose }) => REQUIRED.includes(purpose));
  const found = [...new Set(sockets.map(({ protocol, local }) => `${protocol} ${local.address} port ${local.port}`))];
  const why = needed.map((each) => each.why).join('; ');
  return new AmbientRedirectError('ERR_PROXY_NOT_LISTENING', `${owner} does not listen as a proxy must: ${why}`, {
    candidates: found,
    hint: `${needed[0]?.hint ?? 'give its ports'}; what listens there: ${found.join(', ') || 'nothing'}`,
  });
}
