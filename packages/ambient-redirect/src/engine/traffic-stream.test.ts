import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { ipv4 } from '../../../bpf-asm/test/packets.ts';
import { engineLab } from '../../test/engine-lab.ts';
import type { TrafficEvent } from '../observe/index.ts';
import type { RedirectEngine } from './engine.ts';
import { recordedOptions } from './recorded-options.ts';
import type { EngineStatus } from './status.ts';
import { EngineView } from './view.ts';

/** Every program that a hook of the engine runs, by its id and its tag. */
function running({ pods, proxy }: EngineStatus): Record<string, string> {
  const hooks = [...pods, ...(proxy === undefined ? [] : [{ id: 'proxy', hooks: [proxy.hostIn] }])];
  return Object.fromEntries(
    hooks.flatMap(({ id, hooks: of }) =>
      of.map(({ direction, program }) => [`${id} ${direction}`, `${program?.id} ${program?.tag}`]),
    ),
  );
}

/** What of a record has changed. */
const changed = (before: Record<string, string>, now: Record<string, string>): string[] =>
  Object.keys(now).filter((name) => now[name] !== before[name]);

async function take(stream: AsyncIterable<TrafficEvent>, count: number): Promise<TrafficEvent[]> {
  const taken: TrafficEvent[] = [];
  for await (const event of stream) if (taken.push(event) === count) break;
  return taken;
}

describeWith([root], 'events', () => {
  test(
    'only programs that tell are exchanged, and all are those from before afterwards',
    { timeout: 60_000 },
    async () => {
      const { open, pod } = await engineLab();
      const engine = await open();
      await engine.enroll([pod('client'), pod('server')], { established: 'reset' });
      const before = running(await engine.status());
      const during = async (options: Parameters<RedirectEngine['events']>[0]): Promise<string[]> => {
        using _ = await engine.events(options);
        const status = await engine.status();
        expect(status.problems).toEqual([]);
        await engine.reconcile();
        expect(running(await engine.status())).toEqual(running(status));
        return changed(before, running(status));
      };
      const client = ['client ingress', 'client egress'];
      expect(await during({})).toEqual([...client, 'server ingress', 'server egress', 'proxy ingress']);
      expect(running(await engine.status())).toEqual(before);
      expect(await during({ pods: ['client'], verdicts: ['spoofed'] })).toEqual(client);
      expect(running(await engine.status())).toEqual(before);
      for (const options of [
        { sample: 3 },
        { sample: 2 ** 17 },
        { verdicts: ['none' as 'spoofed'] },
        { pods: 'client' as unknown as string[] },
        { snapshot: 1 as unknown as boolean },
        { sampel: 1 },
      ])
        await expect(engine.events(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    },
  );

  test(
    'packets are told from both ends of a proxied connection, with their first bytes where they are asked for',
    { timeout: 60_000 },
    async () => {
      const { lab, open, pod, connect } = await engineLab();
      const engine = await open();
      await engine.enroll([pod('client'), pod('server')], { established: 'reset' });
      for (const snapshot of [true, false]) {
        using stream = await engine.events({ snapshot, pods: ['client'] });
        const echo = await connect('ipv4');
        await echo.says('hello');
        const told = await take(stream, 3);
        expect(told.map(({ program, verdict, direction }) => [program, verdict, direction])).toEqual([
          ['app_outbound', 'captured', 'outbound'],
          ['ztunnel_host_in', 'delivered', 'inbound'],
          ['app_outbound', 'captured', 'outbound'],
        ]);
        for (const { pod: of, packet, length, source, destination, time } of told) {
          expect([of, [source, destination].toSorted()]).toEqual([
            'client',
            [lab.client.ipv4, lab.server.ipv4].toSorted(),
          ]);
          expect(Math.abs(Number(process.hrtime.bigint() - time))).toBeLessThan(10e9);
          expect(packet?.length).toBe(snapshot ? length : undefined);
          // IPv4's type, version and header length, where bytes were asked for.
          expect(packet?.slice(12, 15)).toEqual(snapshot ? Uint8Array.of(8, 0, 0x45) : undefined);
        }
        await echo.end();
      }
      const { pods } = await engine.metrics();
      expect(pods.map(({ id, connections }) => [id, connections])).toEqual([
        ['client', [{ direction: 'outbound', family: 'ipv4', count: 2n }]],
        ['server', []],
      ]);
    },
  );

  test(
    'what there is no room for is counted, and what an earlier reader left is not told',
    { timeout: 60_000 },
    async () => {
      const { lab, open, pod } = await engineLab();
      const engine = await open();
      await engine.enroll([pod('client')], { established: 'reset' });
      const send = (count: number, port: number): void => {
        const source = { source: lab.client.ipv4, destination: lab.server.ipv4 };
        const frame = ipv4({ ...source, protocol: 17, destinationPort: port });
        for (let i = 0; i < count; i += 1) lab.client.sendFrame(frame);
      };
      const verdicts = ['other'] as const;
      {
        using ignored = await engine.events({ verdicts });
        send(10, 1);
        expect(ignored.dropped).toBe(0);
      }
      using stream = await engine.events({ snapshot: true, verdicts });
      // Nobody reads meanwhile: this is one turn of the loop.
      send(1600, 2);
      const lost = stream.dropped;
      expect(lost).toBeGreaterThan(200);
      const told = await take(stream, 1000);
      // What was sent is told, and what the server's kernel has to say of a port where nobody listens.
      expect(told.filter(({ destinationPort }) => destinationPort === 2).length).toBeGreaterThan(500);
      expect(told.map(({ destinationPort }) => destinationPort)).not.toContain(1);
      expect(stream.dropped).toBeGreaterThanOrEqual(lost);
      expect((await engine.metrics()).untold).toBeGreaterThanOrEqual(lost);
    },
  );

  test(
    'a listener that is killed leaves programs that tell nobody, until the next engine puts the others back',
    { timeout: 60_000 },
    async () => {
      const { sys, lab, open, pod, connect, directory } = await engineLab();
      const engine = await open();
      await engine.enroll([pod('client')], { established: 'reset' });
      const before = running(await engine.status());
      await engine.close();
      const look = async (): Promise<EngineStatus> => {
        await using view = await EngineView.open({ sys, directory, host: { path: lab.node.path } });
        return await view.status();
      };
      const script = new URL('../../test/listens.ts', import.meta.url).pathname;
      const args = ['--conditions=@ambient/source', '--import', 'tsx', script, directory, lab.node.path];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      const during = await look();
      expect([during.problems, changed(before, running(during))]).toEqual([
        [],
        ['client ingress', 'client egress', 'proxy ingress'],
      ]);
      child.kill('SIGKILL');
      await once(child, 'close');
      const after = await look();
      expect(running(after)).toEqual(running(during));
      expect(after.problems.map(({ subject }) => subject)).toContain('client');
      const echo = await connect('ipv4');
      await echo.says('still');
      const { directory: _, ...options } = (await recordedOptions({ sys, directory })) ?? {};
      const next = await open(options);
      expect(running(await next.status())).toEqual(before);
      await echo.says('going on');
      await echo.end();
    },
  );
});
