import { listSockets, NETLINK_SOCK_DIAG, type InetProtocol, type InetSocket } from '../diag/index.ts';
import { isNetlinkTcError, NetlinkTcError } from '../error.ts';
import { NetlinkSocket } from '../netlink/index.ts';
import { currentNetns, openNetns, type Netns } from '../netns/index.ts';
import type { Fd, Sys } from '../sys/index.ts';
import { openPidfd, type Pidfd } from './pidfd.ts';
import { descendantsOf, ownSocketInode, socketsOf } from './proc.ts';

/** Which listeners of a process to take. */
export interface ListenersOptions {
  /** `tcp` if left out. A UDP socket that is not connected counts as listening. */
  readonly protocols?: readonly InetProtocol[];
  /** Ports that they listen on; any if left out. */
  readonly ports?: readonly number[];
  /** The namespace that the sockets are of; that of the process if left out. Sockets may be of others. */
  readonly netns?: Netns;
  /** Whether to look through what the process has started too: workers of a master that has no listeners of its own. */
  readonly descendants?: boolean;
  /** Ends the wait for the list of sockets. */
  readonly signal?: AbortSignal;
}

/**
 * A listening socket of another process, of which this process has a descriptor now. Close it as soon as it has served its purpose:
 * while it is open the socket outlives its process, and clients connect to nobody.
 */
export class TakenListener implements Disposable {
  /** The process that it was taken from. */
  readonly pid: number;
  /** What it is: address, port, inode, whether it is transparent, whether it takes both families. */
  readonly socket: InetSocket;
  readonly #fd: Fd;

  constructor(pid: number, socket: InetSocket, fd: Fd) {
    this.pid = pid;
    this.socket = socket;
    this.#fd = fd;
  }

  /** The number of our descriptor, for the update of a map. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.#fd.number;
  }

  /** Closes our descriptor; that of the process stays. A second call does nothing. */
  close(): void {
    this.#fd.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Takes the listening sockets of a process: those in its network namespace that it has descriptors of. Each socket comes once,
 * however many descriptors there are of it; all sockets of a `SO_REUSEPORT` group come. Close each as soon as the map is updated,
 * or the listener outlives its process: see {@link TakenListener}.
 *
 * Needs `CAP_SYS_PTRACE` over a process of another user, and `CAP_SYS_ADMIN` to look into another network namespace. Since Linux
 * 5.6.
 * @returns the listeners, ordered by port; none when the process has none
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such process, or it has ended; `ERR_PERMISSION`; nothing stays open then
 * @example
 * ```ts
 * for (const listener of await takeListeners(sys, pid, { ports: [15001] })) {
 *   using taken = listener;
 *   slots.update(0, taken.fd);
 * }
 * ```
 */
export async function takeListeners(sys: Sys, pid: number, options: ListenersOptions = {}): Promise<TakenListener[]> {
  const { ports, descendants = false } = options;
  const processes = [openPidfd(sys, pid)];
  const taken: TakenListener[] = [];
  try {
    for (const child of descendants ? descendantsOf(pid) : []) processes.push(...holdIfThere(sys, child));
    const holders = holdersOf(processes);
    for (const socket of await listeningSockets(sys, pid, options)) {
      const holder = holders.get(socket.inode);
      if (holder === undefined || ports?.includes(socket.local.port) === false) continue;
      const fd = takeIfThere(holder, socket.inode);
      if (fd !== undefined) taken.push(new TakenListener(holder.process.pid, socket, fd));
    }
    // What was read by its id was of this process only if the process is still there.
    if (processes[0]?.running !== true) throw new NetlinkTcError('ERR_NOT_FOUND', `process ${pid} has ended`);
  } catch (error) {
    for (const listener of taken) listener.close();
    throw error;
  } finally {
    for (const process of processes) process.close();
  }
  return taken.toSorted((a, b) => a.socket.local.port - b.socket.local.port);
}

/** Who has a socket, and under which number. */
interface Holder {
  readonly process: Pidfd;
  readonly fd: number;
}

/** The first holder of each socket of the processes, by its inode number. */
function holdersOf(processes: readonly Pidfd[]): ReadonlyMap<number, Holder> {
  const holders = new Map<number, Holder>();
  for (const process of processes) {
    for (const { fd, inode } of unlessGone(() => socketsOf(process.pid)) ?? []) {
      if (!holders.has(inode)) holders.set(inode, { process, fd });
    }
  }
  return holders;
}

/** All listening sockets of the namespace, of whatever process. */
async function listeningSockets(
  sys: Sys,
  pid: number,
  { protocols = ['tcp'], netns, signal }: ListenersOptions,
): Promise<InetSocket[]> {
  using own = netns === undefined ? openNetns(sys, { pid }) : undefined;
  using here = currentNetns(sys);
  const there = netns ?? own ?? here;
  // To stay where one is takes no right.
  const where = there.inode === here.inode ? {} : { netns: there };
  using socket = NetlinkSocket.open(sys, { protocol: NETLINK_SOCK_DIAG, ...where });
  const requests = protocols.flatMap((protocol) =>
    (['ipv4', 'ipv6'] as const).map((family) =>
      listSockets({ protocol, family, states: [protocol === 'tcp' ? 'listen' : 'close'] }),
    ),
  );
  return (await socket.batch(requests, signal === undefined ? {} : { signal })).flat();
}

/** What `run` gives; undefined when what it is about is gone by now. */
function unlessGone<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

function holdIfThere(sys: Sys, pid: number): Pidfd[] {
  const held = unlessGone(() => openPidfd(sys, pid));
  return held === undefined ? [] : [held];
}

/** Takes a socket, unless its holder has closed it; the number may be that of something else by now. */
function takeIfThere({ process, fd: number }: Holder, inode: number): Fd | undefined {
  const fd = unlessGone(() => process.takeFd(number));
  if (fd === undefined || ownSocketInode(fd.number) === inode) return fd;
  fd.close();
  return undefined;
}
