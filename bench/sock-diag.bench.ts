/**
 * The list of 25,000 TCP sockets against ss, the start of its process included, and against reading the same bytes without looking
 * at them. Needs root, ss and 13,000 descriptors; works in a network namespace of its own.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import {
  createAnonymousNetns,
  listSockets,
  NETLINK_SOCK_DIAG,
  NetlinkSocket,
  openSys,
  setLink,
  TCP_CONNECTED,
  type Netns,
  type Sys,
} from 'netlink-tc';

const CONNECTIONS = 12_500;
const ROUNDS = 15;
const AF_INET = 2;
const SOCK_STREAM = 1;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
/** `struct sockaddr_in` of 127.0.0.1 port 80. */
const SERVER = Uint8Array.of(AF_INET, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${-result}`);
  return result;
}

/** Connections to a listener that accepts none: both ends of each are there all the same. */
function connections(sys: Sys, netns: Netns): number[] {
  return netns.run(() => {
    const listener = must(sys.call('socket', AF_INET, SOCK_STREAM, 0), 'socket');
    must(sys.call('bind', listener, SERVER, SERVER.length), 'bind');
    must(sys.call('listen', listener, CONNECTIONS), 'listen');
    const clients = Array.from({ length: CONNECTIONS }, () => {
      const fd = must(sys.call('socket', AF_INET, SOCK_STREAM, 0), 'socket');
      must(sys.call('connect', fd, SERVER, SERVER.length), 'connect');
      return fd;
    });
    return [listener, ...clients];
  });
}

/** Asks for the same list and reads it to its end without a look at it. @returns bytes read */
function readOnly(sys: Sys, netns: Netns): number {
  const request = Buffer.alloc(72);
  request.writeUInt32LE(72, 0);
  request.writeUInt16LE(20, 4);
  request.writeUInt16LE(0x301, 6);
  request.set([AF_INET, 6], 16);
  request.writeUInt32LE(0b1011_0011_1110, 20);
  const fd = netns.run(() => must(sys.call('socket', AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), 'socket'));
  must(sys.call('sendto', fd, request, request.length, 0, null, 0), 'sendto');
  const buffer = Buffer.alloc(64 * 1024);
  let total = 0;
  for (;;) {
    const length = must(sys.call('recvfrom', fd, buffer, buffer.length, 0, null, null), 'recvfrom');
    total += length;
    if (buffer.readUInt16LE(4) === 3) break;
  }
  sys.call('close', fd);
  return total;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const sys = await openSys();
using netns = createAnonymousNetns(sys);
{
  using route = NetlinkSocket.open(sys, { netns });
  await route.request(setLink('lo', { up: true }));
}
const path = `/proc/${process.pid}/fd/${netns.fd}`;
netns.run(() => writeFileSync('/proc/sys/net/core/somaxconn', String(CONNECTIONS)));
const fds = connections(sys, netns);
using socket = NetlinkSocket.open(sys, { netns, protocol: NETLINK_SOCK_DIAG });
const list = (): Promise<readonly unknown[]> =>
  socket.request(listSockets({ protocol: 'tcp', family: 'ipv4', states: TCP_CONNECTED }));
const { length } = await list();
if (length !== 2 * CONNECTIONS) throw new Error(`${length} sockets`);
const ss = (): void => {
  const { status, stdout } = spawnSync('nsenter', [`--net=${path}`, 'ss', '-4Htn'], { maxBuffer: 64 << 20 });
  if (status !== 0 || stdout.toString().trimEnd().split('\n').length !== length) throw new Error('ss lists others');
};

const times: Record<'ours' | 'ss' | 'floor', number[]> = { ours: [], ss: [], floor: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  times.ours.push(await timed(list));
  times.ss.push(await timed(ss));
  times.floor.push(await timed(() => readOnly(sys, netns)));
}
for (const fd of fds) sys.call('close', fd);

const [ours, theirs, floor] = [median(times.ours), median(times.ss), median(times.floor)];
const show = (value: number): string => value.toPrecision(3);
const each = (value: number): string => `${show((value * 1e6) / length)} ns a socket`;
const title = `list ${length} TCP sockets: netlink-tc ${show(ours)} ms, ${each(ours)}`;
console.log(`${title}; ss -4Htn ${show(theirs)} ms, ratio ${show(theirs / ours)}`);
console.log(`${title}; reading without a look ${show(floor)} ms, ${each(floor)}, ratio ${show(ours / floor)}`);
