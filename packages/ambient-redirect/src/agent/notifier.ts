import { systemError, type Sys } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';

// Linux' include/linux/socket.h and include/uapi/asm-generic/fcntl.h.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/** Size of `sun_path` (unix(7)). */
const PATH_SIZE = 108;

/** Where a service manager wants to be told, and how often it wants to hear that the service is alive. */
export interface NotifyEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

/** What a service manager is told: variables of sd_notify(3). */
export type Notification = Readonly<Record<string, string | number>>;

/**
 * `struct sockaddr_un` of what NOTIFY_SOCKET says: a path, or with `@` in the place of its first byte, which is zero, an abstract name.
 * @returns undefined for what is neither: sd_notify(3) knows `vsock:` too
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for one that is too long
 */
export function notifyAddress(name: string, littleEndian: boolean): Uint8Array | undefined {
  if (!/^[/@]./.test(name)) return undefined;
  const path = Buffer.from(name);
  const isAbstract = name.startsWith('@');
  if (isAbstract) path[0] = 0;
  // A path ends with a zero; an abstract name is as long as the address says.
  const length = path.length + (isAbstract ? 0 : 1);
  if (length > PATH_SIZE) throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', 'NOTIFY_SOCKET is too long');
  const address = new Uint8Array(2 + length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, littleEndian);
  address.set(path, 2);
  return address;
}

/** Tells the service manager how the agent fares: sd_notify(3), in datagrams. Where no one wants to know, it does nothing. */
export class Notifier implements Disposable {
  readonly #sys: Sys;
  readonly #address: Uint8Array | undefined;
  readonly #onError: (error: unknown) => void;
  readonly #beat: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /**
   * @param onError told of the first failure: nothing else is wrong with an agent that cannot tell
   */
  constructor(sys: Sys, environment: NotifyEnvironment, onError: (error: unknown) => void) {
    this.#sys = sys;
    this.#onError = onError;
    const { NOTIFY_SOCKET: name = '', WATCHDOG_USEC: period, WATCHDOG_PID: pid } = environment;
    try {
      this.#address = name === '' ? undefined : notifyAddress(name, sys.platform.littleEndian);
    } catch (error) {
      onError(error);
    }
    const watchdogMs = Number(period) / 1000;
    if (this.#address === undefined || !(watchdogMs > 0) || (pid !== undefined && Number(pid) !== process.pid)) return;
    // Twice in each period, as sd_watchdog_enabled(3) recommends; from the event loop, which is what could stand still.
    this.#beat = setInterval(() => this.tell({ WATCHDOG: 1 }), Math.max(1, watchdogMs / 2)).unref();
  }

  /** Sends variables in one datagram. It waits for nobody, and never throws. */
  tell(variables: Notification): void {
    if (this.#address === undefined) return;
    const text = Object.entries(variables)
      .map(([name, value]) => `${name}=${String(value).replaceAll('\n', ' ')}`)
      .join('\n');
    try {
      this.#send(Buffer.from(text), this.#address);
    } catch (error) {
      if (!this.#hasFailed) this.#onError(error);
      this.#hasFailed = true;
    }
  }

  /** Begins to read its configuration again. With `READY=1` after it that is a reload for `Type=notify-reload`. */
  tellReloading(): void {
    // CLOCK_MONOTONIC in microseconds, which is what Node's high-resolution time is.
    this.tell({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) });
  }

  #send(text: Uint8Array, address: Uint8Array): void {
    const sys = this.#sys;
    const number = sys.call('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (number < 0) throw systemError(number, 'socket', 'cannot tell the service manager');
    using fd = sys.fds.own(number, 'socket to the service manager');
    const sent = sys.call('sendto', fd.number, text, text.length, MSG_NOSIGNAL, address, address.length);
    if (sent < 0) throw systemError(sent, 'sendto', 'cannot tell the service manager');
  }

  /** Ends the watchdog's beat. */
  close(): void {
    clearInterval(this.#beat);
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
