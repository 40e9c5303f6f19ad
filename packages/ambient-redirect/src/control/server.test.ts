import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { SLOWNESS } from '../../../../test/support/slowness.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { engineLab } from '../../test/engine-lab.ts';
import type { TrafficEvent } from '../observe/index.ts';
import { AmbientRedirectError } from '../error.ts';
import type { Control } from './control.ts';
import { openControl } from './open-control.ts';
import { RemoteEngine } from './remote-engine.ts';
import { ControlServer } from './server.ts';

const DIRECTORY = '/sys/fs/bpf/ambient-test-nowhere';

/** A control of which only some methods are asked. */
function control(methods: Partial<Control>): Control {
  return methods as Control;
}

async function listen(methods: Partial<Control>, socket = join(tempDir(), 'new', 'agent.sock')): Promise<RemoteEngine> {
  const server = await ControlServer.listen(control(methods), { socket, pid: process.pid, directory: DIRECTORY });
  onTestFinished(() => server.close());
  const remote = await RemoteEngine.find(socket);
  if (remote === undefined) throw new Error('nobody answers');
  return Object.assign(remote, { server });
}
const serverOf = (remote: RemoteEngine): ControlServer => (remote as RemoteEngine & { server: ControlServer }).server;

const event = (time: bigint): TrafficEvent => ({
  time,
  pod: 'a',
  direction: 'outbound',
  family: 'ipv4',
  verdict: 'captured',
  program: 'app_outbound',
  protocol: 6,
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort: 1,
  destinationPort: 2,
  length: 60,
  ifindex: 3,
});

/** A source of events that counts how it is used. */
function source(total: number): {
  readonly methods: Partial<Control>;
  readonly state: { made: number; closed: number };
} {
  const state = { made: 0, closed: 0 };
  const events = async function* ({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<
    TrafficEvent,
    void,
    undefined
  > {
    for (; state.made < total; state.made += 1) yield event(BigInt(state.made));
    if (signal !== undefined && !signal.aborted) await once(signal, 'abort');
    signal?.throwIfAborted();
  };
  const close = (): void => void (state.closed += 1);
  const stream = { dropped: 7, events, close, [Symbol.asyncIterator]: () => events(), [Symbol.dispose]: close };
  return { state, methods: { events: () => Promise.resolve(stream) } };
}

test('the socket is of its owner alone, and so is a directory that is made for it', async () => {
  const { socket } = await listen({});
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(socket, '..')).mode & 0o777).toBe(0o700);
});

test('a question that takes long can be given up, and tells how it goes', async () => {
  const seen: unknown[] = [];
  const remote = await listen({
    unenroll: (async (ids: string, { drain, signal, onProgress }: Parameters<Control['unenroll']>[1] = {}) => {
      seen.push(ids, drain);
      onProgress?.(2);
      await once(signal as AbortSignal, 'abort');
      seen.push('aborted');
      throw new Error('late');
    }) as unknown as Control['unenroll'],
  });
  const stop = new AbortController();
  const left: number[] = [];
  const asked = remote.unenroll('a', {
    drain: { timeoutMs: 5 },
    signal: stop.signal,
    onProgress: (count) => {
      left.push(count);
      stop.abort(new Error('enough'));
    },
  });
  await expect(asked).rejects.toThrow('enough');
  expect(left).toEqual([2]);
  await expect.poll(() => seen).toEqual(['a', { timeoutMs: 5 }, 'aborted']);
  await expect(remote.unenroll('a', { signal: stop.signal })).rejects.toThrow('enough');
  expect(seen).toHaveLength(3);
});

test('events arrive, and leaving them closes the source', async () => {
  const { methods, state } = source(3);
  const remote = await listen(methods);
  const stream = await remote.events();
  const got: TrafficEvent[] = [];
  for await (const one of stream) {
    got.push(one);
    if (got.length === 3) break;
  }
  expect(got).toEqual([event(0n), event(1n), event(2n)]);
  expect(stream.dropped).toBe(7);
  await expect.poll(() => state.closed).toBe(1);
});

test('a reader that does not read holds the source up', { timeout: 20_000 }, async () => {
  const { methods, state } = source(1_000_000);
  const remote = await listen(methods);
  const stream = await remote.events();
  await expect
    .poll(
      async () => {
        const before = state.made;
        await sleep(50);
        return state.made > 0 && state.made === before;
      },
      { timeout: 10_000 },
    )
    .toBe(true);
  expect(state.made).toBeLessThan(100_000);
  stream.close();
  await expect.poll(() => state.closed).toBe(1);
});

test('a stream ends by a signal with its reason, by close with none, and with the agent', async () => {
  const remote = await listen(source(0).methods);
  const read = async (of: AsyncIterable<unknown>): Promise<string> => {
    for await (const _ of of) return 'an event';
    return 'the end';
  };
  const aborted = await remote.events();
  await expect(read(aborted.events({ signal: AbortSignal.abort(new Error('enough')) }))).rejects.toThrow('enough');
  const closed = await remote.events();
  setTimeout(() => closed.close(), 20);
  expect(await read(closed)).toBe('the end');
  const last = await remote.events();
  setTimeout(() => void serverOf(remote).close(), 20);
  expect(await read(last)).toBe('the end');
  expect(last.dropped).toBe(7);
});

test('who waits for an answer when the agent ends is told; who lets go of it, too', async () => {
  const methods = { reconcile: () => new Promise<never>(() => undefined) };
  const first = await listen(methods);
  setTimeout(() => void first.close(), 20);
  await expect(first.reconcile()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(first.clearProxy()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  const second = await listen(methods);
  setTimeout(() => void serverOf(second).close(), 20);
  await expect(second.reconcile()).rejects.toMatchObject({ code: 'ERR_CLOSED', message: /the agent has ended/ });
  expect(existsSync(second.socket)).toBe(false);
});

test('errors of what is asked are those of the engine', async () => {
  const remote = await listen({
    status: () => Promise.reject(new AmbientRedirectError('ERR_CONFLICT', 'no', { hint: 'do', interface: 'v0' })),
    events: () => Promise.reject(new AmbientRedirectError('ERR_CONFLICT', 'someone listens')),
  });
  await expect(remote.status()).rejects.toMatchObject({ code: 'ERR_CONFLICT', message: 'no; do', interface: 'v0' });
  await expect(remote.events()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
});

test.each([
  ['POST', '/v1/nothing', '{}', 404, /there is nothing at \/v1\/nothing; ask by POST \/v1\/ and one of hello, status/],
  ['POST', '/v1/constructor', '{}', 404, /there is nothing/],
  ['GET', '/v1/teardown', '', 405, /it is asked by POST/],
  ['PUT', '/v1/status', '{}', 405, /it is asked by POST/],
  ['POST', '/v1/enroll', '{', 200, /JSON object/],
  ['POST', '/v1/enroll', '[]', 200, /JSON object/],
  ['POST', '/v1/enroll', '{}', 200, /pods is/],
  ['POST', '/v1/enroll', '{"pods":[{},null]}', 200, /pods is/],
  ['POST', '/v1/enroll', '{"pods":[],"options":1}', 200, /options is/],
  ['POST', '/v1/unenroll', '{"ids":[1]}', 200, /ids is/],
  ['POST', '/v1/unenroll', '{"ids":"a","drain":null}', 200, /drain is/],
  ['POST', '/v1/setProxy', '{"proxy":{}}', 200, /proxy is/],
])('%s %s %s is refused in words', async (method, path, body, status, words) => {
  const { socket } = await listen({});
  const asked = request({ socketPath: socket, method, path, agent: false });
  asked.end(body);
  const [answer] = await once(asked, 'response');
  let text = '';
  for await (const part of answer) text += String(part);
  expect(answer.statusCode).toBe(status);
  expect(JSON.parse(text)).toMatchObject({ kind: 'error', error: { $error: { code: 'ERR_INVALID_ARGUMENT' } } });
  expect(JSON.parse(text).error.$error.message).toMatch(words);
});

test('a question that is too long is answered', async () => {
  const remote = await listen({
    enroll: () => Promise.reject(new Error('it was asked')),
  } as unknown as Partial<Control>);
  const pods = [{ id: 'x'.repeat(17 << 20) }];
  await expect(remote.enroll(pods)).rejects.toThrow('a question has at most 16777216 bytes');
});

test('what is asked when the agent has ended is not begun', async () => {
  let asked = 0;
  const remote = await listen({ clearProxy: () => Promise.resolve(void (asked += 1)) });
  const late = request({ socketPath: remote.socket, method: 'POST', path: '/v1/clearProxy', agent: false });
  late.write('{');
  await new Promise((resolve) => late.once('socket', (socket) => socket.once('connect', resolve)));
  // It has the question's beginning when it has answered a later one.
  expect(await RemoteEngine.find(remote.socket)).toBeDefined();
  const closed = serverOf(remote).close();
  late.end('}');
  const [answer] = await once(late, 'response');
  let text = '';
  for await (const part of answer) text += String(part);
  await closed;
  expect(JSON.parse(text)).toMatchObject({ kind: 'error', error: { $error: { code: 'ERR_CLOSED' } } });
  expect(asked).toBe(0);
});

test('what is no socket is left as it is, and nothing is left behind', async () => {
  const directory = tempDir();
  const file = join(directory, 'precious');
  writeFileSync(file, 'text');
  const folder = join(directory, 'folder');
  mkdirSync(folder);
  for (const socket of [file, folder]) {
    const listening = ControlServer.listen(control({}), { socket, pid: 1, directory: DIRECTORY });
    await expect(listening).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: /is there, and is no socket;/,
    });
  }
  expect(readFileSync(file, 'utf8')).toBe('text');
  expect(readdirSync(directory).toSorted()).toEqual(['folder', 'precious']);
});

test('a living agent is refused by its process, a dead one is replaced', async () => {
  const { socket } = await listen({});
  const again = ControlServer.listen(control({}), { socket, pid: 1, directory: DIRECTORY });
  await expect(again).rejects.toMatchObject({ code: 'ERR_LOCKED', message: new RegExp(`process ${process.pid};`) });
  // What a socket leaves whose process was killed: a file that nobody listens at.
  const dead = join(tempDir(), 'agent.sock');
  const left = createServer().listen(`${dead}.bound`);
  await once(left, 'listening');
  renameSync(`${dead}.bound`, dead);
  left.close();
  await once(left, 'close');
  const failed = connect(dead);
  expect((await once(failed, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' });
  expect((await listen({}, dead)).agent.pid).toBe(process.pid);
});

test('what listens and is no agent is told apart from nobody', async () => {
  const socket = join(tempDir(), 'agent.sock');
  expect(await RemoteEngine.find(socket)).toBe(undefined);
  const other = createServer((connection) => connection.on('error', () => undefined).end('220 mail\r\n')).listen(
    socket,
  );
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  await expect(RemoteEngine.find(socket)).rejects.toMatchObject({ code: 'ERR_AGENT', message: /name another socket/ });
  const file = join(tempDir(), 'file');
  writeFileSync(file, '');
  expect(await RemoteEngine.find(file)).toBe(undefined);
});

test('a path that no socket can have is refused', async () => {
  const directory = join(tempDir(), 'x'.repeat(100));
  mkdirSync(directory);
  const options = { socket: join(directory, 'agent.sock'), pid: 1, directory: DIRECTORY };
  await expect(ControlServer.listen(control({}), options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});

test('the agent is asked for its own directory, and for no other', async () => {
  const { socket } = await listen({});
  const found = await openControl({ socket, directory: DIRECTORY, need: 'read' });
  expect(found).toBeInstanceOf(RemoteEngine);
  expect(await openControl({ socket, directory: `${DIRECTORY}/`, need: 'read' })).toBeInstanceOf(RemoteEngine);
  const elsewhere = openControl({ socket, directory: `${DIRECTORY}-else`, need: 'read' });
  await expect(elsewhere).rejects.not.toMatchObject({ code: 'ERR_AGENT' });
});

describeWith([root], 'with an engine', () => {
  test('what it tells arrives as it was', { timeout: 120_000 * SLOWNESS }, async () => {
    const node = await engineLab();
    await using engine = await node.open();
    await engine.enroll(node.pod('client'));
    await (await node.connect('ipv4')).end();
    const socket = join(tempDir(), 'agent.sock');
    await using _server = await ControlServer.listen(engine, { socket, pid: process.pid, directory: node.directory });
    await using remote = await openControl({ socket, directory: node.directory, need: 'change' });
    expect(remote).toBeInstanceOf(RemoteEngine);
    const metrics = await remote.metrics();
    expect(metrics.pods[0]?.traffic.length).toBeGreaterThan(0);
    expect(await engine.metrics()).toEqual(metrics);
    expect(await engine.status()).toEqual(await remote.status());
  });
});
