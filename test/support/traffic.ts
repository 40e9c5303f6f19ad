/** What tests do over connections: send much and compare, connect often, find out how an attempt ends. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../../packages/ambient-redirect/src/proxy/sockets.ts';
import type { LabHost } from './lab-host.ts';
import { SLOWNESS } from './slowness.ts';

const BLOCK = 1 << 20;
const PAGE = 4096;

/** How many bytes came or went, and their SHA-256. */
export interface Digest {
  readonly length: number;
  readonly sha256: string;
}

/** Fails when a promise takes longer than that; than several times that on a slow machine. */
export async function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  const abort = new AbortController();
  const late = sleep(milliseconds * SLOWNESS, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`${what}: not after ${milliseconds} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    abort.abort();
    // Its rejection is of no interest once it was aborted.
    late.catch(() => undefined);
  }
}

/** Waits until a condition holds, at most two seconds; longer on a slow machine. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 2_000 * SLOWNESS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(5);
  }
}

/** Sends bytes that are alike nowhere. */
async function sendAll(socket: Socket, length: number): Promise<Digest> {
  const hash = createHash('sha256');
  const random = randomBytes(BLOCK);
  for (let sent = 0; sent < length; sent += BLOCK) {
    // Its own copy: the socket may hold it for a while. Each page tells where it belongs, or pages could change places unseen.
    const block = Buffer.from(random.subarray(0, Math.min(BLOCK, length - sent)));
    for (let at = 0; at + 8 <= block.length; at += PAGE) block.writeDoubleLE(sent + at, at);
    hash.update(block);
    if (!socket.write(block)) await once(socket, 'drain');
  }
  return { length, sha256: hash.digest('hex') };
}

/** Reads so many bytes, or fewer if the other side finishes before. */
async function receiveAll(socket: Socket, wanted: number): Promise<Digest> {
  const hash = createHash('sha256');
  let length = 0;
  await new Promise<void>((resolve, reject) => {
    if (wanted === 0) resolve();
    socket.on('data', (part: Uint8Array) => {
      hash.update(part);
      length += part.length;
      if (length >= wanted) resolve();
    });
    socket.on('end', resolve).on('error', reject);
  });
  return { length, sha256: hash.digest('hex') };
}

/** Reads text until the other side has finished. Not by `for await`, which closes the socket then. */
export async function receiveText(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(socket, 'end');
  return text;
}

/** Begins a connection whose failure does not end the process when nobody listens for it. */
export function connectQuietly(from: LabHost, to: Endpoint, own?: Endpoint): Socket {
  const options = own === undefined ? { to } : { to, from: own };
  return from.connect({ ...options, allowHalfOpen: true }).on('error', () => undefined);
}

/** What {@link exchange} sends, each way; 0 for nothing. */
export interface Amounts {
  readonly up: number;
  readonly down: number;
}

/** Options of {@link exchange}. */
export interface ExchangeOptions {
  /** The client's own address; the kernel chooses if left out. */
  readonly own?: string;
  /** How long it may take, 10 s if left out. */
  readonly timeoutMs?: number;
  /** Whether its packets have options, as `LabHost.connectWithOptions` has it. */
  readonly withOptions?: boolean;
}

/** A pair of what was sent and what came. */
export interface Exchanged {
  readonly sent: readonly Digest[];
  readonly received: readonly Digest[];
  readonly milliseconds: number;
}

/**
 * Sends so many bytes both ways at once over one connection. Who has everything tells nobody: the client finishes when both have, since HAProxy
 * (2.6) loses what it still has to send when both sides finish at about the same time, with or without a mesh.
 */
export async function exchange(
  from: LabHost,
  to: LabHost,
  at: Endpoint,
  { up, down }: Amounts,
  { own, timeoutMs = 15_000, withOptions = false }: ExchangeOptions = {},
): Promise<Exchanged> {
  let accepted: (socket: Socket) => void = () => undefined;
  const first = new Promise<Socket>((resolve) => (accepted = resolve));
  await using _server = await to.serveTcp(at.port, (socket) => accepted(socket));
  const started = performance.now();
  const client = withOptions
    ? from.connectWithOptions(at).on('error', () => undefined)
    : connectQuietly(from, at, own === undefined ? undefined : { address: own, port: 0 });
  const clientSide = Promise.all([sendAll(client, up), receiveAll(client, down)]);
  const serverSide = first.then((socket) => Promise.all([sendAll(socket, down), receiveAll(socket, up)]));
  try {
    const both = Promise.all([clientSide, serverSide]);
    const [[upSent, downReceived], [downSent, upReceived]] = await within(
      timeoutMs,
      `${up} bytes up, ${down} down`,
      both,
    );
    const milliseconds = performance.now() - started;
    client.end();
    const server = await first;
    const ended = new Promise((resolve) => void server.once('end', resolve).once('close', resolve));
    await within(timeoutMs, "the client's end", ended);
    return { sent: [upSent, downSent], received: [upReceived, downReceived], milliseconds };
  } finally {
    client.destroy();
  }
}

/**
 * How an attempt to connect ends: the error's code, `closed` or `reset` after it came about and before a byte came, `open` when it was
 * still there or `timeout` when nothing had come at all after that time.
 */
export async function attempt(from: LabHost, to: Endpoint, timeoutMs: number = 1_500 * SLOWNESS): Promise<string> {
  const socket = connectQuietly(from, to);
  let connected = false;
  try {
    return await new Promise<string>((resolve) => {
      const timer = setTimeout(() => resolve(connected ? 'open' : 'timeout'), timeoutMs);
      const finish = (how: string): void => {
        clearTimeout(timer);
        resolve(how);
      };
      socket.on('connect', () => (connected = true));
      socket.on('data', () => finish('data'));
      socket.on('end', () => finish('closed'));
      socket.on('error', ({ code }: NodeJS.ErrnoException) => finish(connected ? 'reset' : (code ?? 'error')));
      socket.resume();
    });
  } finally {
    socket.destroy();
  }
}

/** How many connections are made, and from how many ports. */
export interface Churn {
  readonly connections: number;
  /** The client's ports, used one after the other, over and over. */
  readonly ports: number;
  /** The first of them. */
  readonly firstPort: number;
}

/**
 * Makes connections one after another, each with a question and its answer, over few ports of the client's. The server finishes first: it,
 * or a proxy before it, holds each in TIME_WAIT when the client comes again from that port.
 * @returns milliseconds that each took until it was there
 */
export async function churn(from: LabHost, own: string, to: LabHost, at: Endpoint, spec: Churn): Promise<number[]> {
  await using _server = await to.serveTcp(at.port, (socket) => {
    socket.once('data', (question: Uint8Array) => socket.end(question));
  });
  const times: number[] = [];
  for (let i = 0; i < spec.connections; i += 1) {
    const started = performance.now();
    const socket = connectQuietly(from, at, { address: own, port: spec.firstPort + (i % spec.ports) });
    const connected = once(socket, 'connect').then(() => performance.now() - started);
    const question = String(i);
    socket.write(question);
    const answer = await within(3_000, `connection ${i}`, receiveText(socket));
    if (answer !== question) throw new Error(`connection ${i} was told ${answer}`);
    times.push(await connected);
    socket.end();
    await once(socket, 'close');
  }
  return times;
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
