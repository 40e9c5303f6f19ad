/** The end of sd_notify(3) that a service manager has. */
import { systemError, type Sys } from 'netlink-tc';
import { onTestFinished } from 'vitest';
import { notifyAddress } from '../src/agent/notifier.ts';

// AF_UNIX; SOCK_DGRAM with SOCK_NONBLOCK and SOCK_CLOEXEC.
const [FAMILY, TYPE] = [1, 2 | 0o4000 | 0o2000000];

/**
 * Binds a datagram socket until the running test ends.
 * @param name a path, or `@` and an abstract name
 * @returns what has come since it was asked last, one text for each datagram
 */
export function notifySocket(sys: Sys, name: string): () => string[] {
  const address = notifyAddress(name, sys.platform.littleEndian);
  if (address === undefined) throw new Error(`no socket can have the name ${name}`);
  const number = sys.call('socket', FAMILY, TYPE, 0);
  if (number < 0) throw systemError(number, 'socket', 'cannot make a socket');
  const fd = sys.fds.own(number, 'socket of a service manager');
  onTestFinished(() => fd.close());
  const bound = sys.call('bind', fd.number, address, address.length);
  if (bound < 0) throw systemError(bound, 'bind', `cannot bind ${name}`);
  return () => {
    const texts: string[] = [];
    for (;;) {
      const bytes = new Uint8Array(4096);
      const length = sys.call('recvfrom', fd.number, bytes, bytes.length, 0, null, null);
      if (length < 0) return texts;
      texts.push(Buffer.from(bytes.subarray(0, length)).toString());
    }
  };
}
