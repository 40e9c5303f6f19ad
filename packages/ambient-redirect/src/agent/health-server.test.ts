import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { HealthServer, type Health } from './health-server.ts';

async function listen(health: Partial<Health> = {}): Promise<HealthServer> {
  const all: Health = {
    problems: () => Promise.resolve([]),
    metrics: () => Promise.resolve({ contentType: 'text/x', text: 'up 1\n' }),
    ...health,
  };
  const server = await HealthServer.listen(all, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.close());
  return server;
}

test('pages, and what is none', async () => {
  const problems: string[] = [];
  const { url } = await listen({ problems: () => Promise.resolve(problems) });
  const ask = async (path: string, method = 'GET'): Promise<unknown[]> => {
    const answer = await fetch(`${url}${path}`, { method });
    return [answer.status, answer.headers.get('content-type'), await answer.text()];
  };
  const text = 'text/plain; charset=utf-8';
  expect(await ask('/healthz')).toEqual([200, text, 'alive\n']);
  expect(await ask('/readyz?verbose')).toEqual([200, text, 'ready\n']);
  problems.push('a: it is gone', 'b: one\ntwo');
  expect(await ask('/readyz')).toEqual([503, text, 'a: it is gone\nb: one | two\n']);
  expect(await ask('/readyz', 'HEAD')).toEqual([503, text, '']);
  expect(await ask('/metrics')).toEqual([200, 'text/x', 'up 1\n']);
  for (const path of ['/', '/metrics/', '/constructor', '/%00'])
    expect(await ask(path)).toEqual([404, text, 'there is /healthz, /readyz, /metrics\n']);
  expect(await ask('/metrics', 'POST')).toEqual([405, text, 'ask by GET\n']);
});

test('what cannot be told is told with its reason', async () => {
  const { url } = await listen({ metrics: () => Promise.reject(new Error('the engine is away')) });
  const answer = await fetch(`${url}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([500, 'the engine is away\n']);
});

test('many who ask at once are one question', async () => {
  const gate = new EventEmitter();
  const opened = once(gate, 'open');
  const problems = vi.fn<Health['problems']>(() => opened.then(() => []));
  const { url } = await listen({ problems });
  const asked = Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/readyz`)));
  // Answered in the meantime, though one is.
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  await expect.poll(() => problems.mock.calls.length).toBe(1);
  gate.emit('open');
  expect((await asked).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(problems.mock.calls.length).toBeLessThan(20);
});

test('who holds connections open has only so many', async () => {
  const { url } = await listen();
  const sockets = Array.from({ length: 100 }, () => connect(Number(new URL(url).port), '127.0.0.1'));
  onTestFinished(() => sockets.forEach((socket: Socket) => socket.destroy()));
  let closed = 0;
  for (const socket of sockets) socket.on('error', () => undefined).on('close', () => (closed += 1));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await expect.poll(() => closed).toBe(100 - 64);
});

test('an address that is taken is told', async () => {
  const { url } = await listen();
  const port = Number(new URL(url).port);
  const again = HealthServer.listen({} as Health, { host: '127.0.0.1', port });
  await expect(again).rejects.toMatchObject({
    code: 'ERR_CONFLICT',
    message: `nothing can listen at 127.0.0.1:${port}: EADDRINUSE; end who listens there, or change agent.listen`,
  });
});

test('when it closes it hangs up', async () => {
  const server = await listen();
  const { url } = server;
  const idle = connect(Number(new URL(url).port), '127.0.0.1');
  await once(idle, 'connect');
  const gone = once(idle, 'close');
  await Promise.all([server.close(), gone]);
  await server.close();
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
});
