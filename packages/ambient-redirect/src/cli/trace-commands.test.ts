/** `trace`, `top` and `metrics` on a real node: without an agent, and with one. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { call, type CallOptions, type Outcome } from '../../test/command.ts';
import { statePath } from '../../test/state.ts';
import { ControlServer, type Control } from '../control/index.ts';
import { RedirectEngine } from '../engine/index.ts';
import { METRICS } from '../metrics/index.ts';
import { Interrupted } from './errors.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

interface Node {
  readonly lab: Lab;
  readonly run: (args: readonly string[], options?: CallOptions) => Promise<Outcome>;
  /** Programs of all hooks, by their ids. */
  readonly programs: () => Promise<string>;
}

/** A node with two pods, `shop/client` and `shop/server`, and a proxy that listens. An agent's part is played by the engine of the test. */
async function node({ agent }: { readonly agent: boolean }): Promise<Node> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const directory = statePath(sys);
  const socket = join(tempDir(), 'agent.sock');
  const options = { sys, directory, host: { path: lab.node.path }, podCidrs: Object.values(POD_CIDR) };
  const engine = await RedirectEngine.open(options);
  const server = agent ? await ControlServer.listen(engine, { socket, pid: process.pid, directory }) : undefined;
  onTestFinished(async () => {
    await server?.close();
    await engine.close();
    if (existsSync(directory)) await (await RedirectEngine.open(options)).teardown();
    await lab.close();
  });
  const proxy = await startProxy(lab.proxy);
  await engine.setProxy({ netns: { path: lab.proxy.path }, pid: proxy.pid });
  const pods = (['client', 'server'] as const).map((name) => ({ id: `shop/${name}`, netns: { path: lab[name].path } }));
  await engine.enroll(pods, { established: 'reset' });
  await lab.server.serveHttp();
  if (!agent) await engine.close();
  const run: Node['run'] = (args, given) => call([...args, '--directory', directory, '--socket', socket], given);
  const programs = async (): Promise<string> => {
    const { out } = await run(['status', '--json']);
    const { pods: all } = JSON.parse(out) as {
      pods: { id: string; hooks: { program?: { id: number; tag: string } }[] }[];
    };
    return JSON.stringify(all.map(({ id, hooks }) => [id, hooks.map(({ program }) => program)]));
  };
  return { lab, run, programs };
}

/** Runs `trace`, and does something once it tells. */
async function traceWhile(
  { run }: Node,
  args: readonly string[],
  work: () => Promise<unknown>,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Outcome> {
  let worked: Promise<unknown> | undefined;
  const traced = await run(['trace', ...args], {
    ...(signal === undefined ? {} : { signal }),
    onError: (text) => {
      if (text.includes('from here on')) worked ??= work();
    },
  });
  await worked;
  return traced;
}

type Line = Readonly<Record<string, unknown>>;
const linesOf = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

test('a trace that someone else ends is no good end', async () => {
  const socket = join(tempDir(), 'agent.sock');
  const directory = '/sys/fs/bpf/ambient-test-nowhere';
  const events = async function* (): AsyncGenerator<never, void, undefined> {
    // As where the agent ends, or exchanges its engine.
  };
  const close = (): void => undefined;
  const stream = { dropped: 0, events, close, [Symbol.asyncIterator]: () => events(), [Symbol.dispose]: close };
  const control = {
    status: () => Promise.resolve({ pods: [] }),
    events: () => Promise.resolve(stream),
  } as unknown as Control;
  const server = await ControlServer.listen(control, { socket, pid: process.pid, directory });
  onTestFinished(() => server.close());
  const traced = await call(['trace', '--duration', '60', '--socket', socket, '--directory', directory]);
  expect(traced).toMatchObject({ code: 1, out: '' });
  expect(traced.err).toContain(
    '0 packets\nwarning: the agent tells no more: it has ended, or its configuration has changed',
  );
});

describeWith([root], 'trace', () => {
  test.each([{ agent: false }, { agent: true }])(
    'tells what becomes of packets, and leaves the programs that there were: %j',
    async (how) => {
      const here = await node(how);
      const { lab } = here;
      const before = await here.programs();
      const get = (): Promise<unknown> => lab.client.get(lab.server.ipv4);
      const args = [
        '--pod',
        'shop/client',
        '--protocol',
        'tcp',
        '--port',
        '80',
        '--address',
        lab.server.ipv4,
        '--count',
        '3',
        '--json',
      ];
      const { code, out } = await traceWhile(here, args, get);
      const lines = linesOf(out);
      expect([code, lines.length]).toEqual([0, 4]);
      expect(lines[0]).toMatchObject({
      kind: 'packet', pod: 'shop/client', direction: 'outbound', verdict: 'captured', outcome: 'redirected', program: 'app_outbound',
      reason: 'to the proxy: of a TCP connection of the pod', interface: 'v-client', family: 'ipv4', protocol: 6,
      source: lab.client.ipv4, destination: lab.server.ipv4, destinationPort: 80,
    }); // prettier-ignore
      expect(lines[1]).toMatchObject({
        verdict: 'delivered',
        direction: 'inbound',
        program: 'ztunnel_host_in',
        interface: 'v-proxy',
      });
      const told = Date.parse(String(lines[0]?.['time']));
      expect(Math.abs(Date.now() - told)).toBeLessThan(60_000);
      expect(lines[3]).toEqual({ kind: 'end', packets: 3, lost: 0 });
      expect(await here.programs()).toBe(before);
    },
  );

  test('prints lines for people, and ends by a signal and by time alike', async () => {
    const here = await node({ agent: false });
    const controller = new AbortController();
    const work = async (): Promise<void> => {
      await here.lab.client.exec('ping', '-c', '1', '-W', '1', here.lab.server.ipv4);
      controller.abort(new Interrupted('SIGINT'));
    };
    const { client, server } = here.lab;
    // Of others, kernels tell multicast listeners now and then, by ICMP too.
    const of = ['--protocol', 'icmp', '--pod', 'shop/client', '--address', server.ipv4];
    const { code, out, err } = await traceWhile(here, of, work, controller);
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toMatch(
      new RegExp(
        `^\\d\\d:\\d\\d:\\d\\d\\.\\d{6}  shop/client  outbound  icmp   ${client.ipv4} > ${server.ipv4}     98 B  other: passed; neither TCP nor DNS that is captured \\(app_outbound\\)$`,
      ),
    );
    expect(err).toMatch(/\n\d+ packets\n$/);
    const timed = await here.run(['trace', '--duration', '0.5', '--verdict', 'dropped', '--quiet']);
    expect(timed).toEqual({ code: 0, out: '', err: '' });
  });

  test('what cannot be understood is refused before anything is changed', async () => {
    const here = await node({ agent: false });
    const before = await here.programs();
    for (const [args, message] of [
      [['--verdict', 'drop'], /"drop" is no verdict; give one of captured, /],
      [['--address', '10.0.0.0/40'], /is no address/],
      [['--port', 'http'], /is no port/],
      [['--sample', '3'], /sample is a power of two/],
      [['--pcap', '-', '--json'], /both want the standard output/],
    ] as const) {
      const { code, out, err } = await here.run(['trace', ...args]);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(message);
    }
    for (const command of ['trace', 'top']) {
      const { code, out, err } = await here.run([command, '--pod', 'shop/none']);
      expect([code, out]).toEqual([1, '']);
      expect(err).toContain('shop/none is not enrolled; those that are: shop/client, shop/server');
    }
    expect(await here.programs()).toBe(before);
  });
});

describeWith([root, tool('tshark')], 'trace --pcap', () => {
  const read = (file: string): string[][] => {
    const fields = ['frame.interface_name', 'ip.src', 'tcp.flags.str', 'tcp.seq_raw', 'frame.comment'];
    const args = ['-r', file, '-T', 'fields', '-E', 'separator=|', ...fields.flatMap((name) => ['-e', name])];
    const text = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return text
      .trimEnd()
      .split('\n')
      .map((line) => line.split('|'));
  };

  test.each([{ agent: false }, { agent: true }])(
    'writes the packets of a connection as Wireshark reads them: %j',
    async (how) => {
      const here = await node(how);
      const file = join(tempDir(), 'trace.pcapng');
      const { lab } = here;
      const args = ['--pod', 'shop/client', '--port', '80', '--protocol', 'tcp', '--count', '3', '--pcap'];
      const get = (): Promise<unknown> => lab.client.get(lab.server.ipv4);
      const { code, out, err } = await traceWhile(here, [...args, file], get);
      expect([code, out.split('\n').length]).toEqual([0, 4]);
      expect(err).toContain(`3 packets to ${file}`);
      const frames = read(file);
      expect(
        frames.map(([name, source, flags, , comment]) => [
          name,
          source,
          flags?.replaceAll(/[^A-Z]/g, ''),
          comment?.split(':')[0],
        ]),
      ).toEqual([
        ['v-client', lab.client.ipv4, 'S', 'captured, app_outbound of shop/client'],
        ['v-proxy', lab.server.ipv4, 'AS', 'delivered, ztunnel_host_in of shop/client'],
        ['v-client', lab.client.ipv4, 'A', 'captured, app_outbound of shop/client'],
      ]);
      const [first = 0, , third = 0] = frames.map(([, , , sequence]) => Number(sequence));
      expect((third - first) >>> 0).toBe(1);

      const piped = await traceWhile(here, [...args, '-'], get);
      const other = join(tempDir(), 'piped.pcapng');
      writeFileSync(other, Buffer.from(piped.out, 'latin1'));
      expect(read(other).map(([name]) => name)).toEqual(['v-client', 'v-proxy', 'v-client']);
      expect(readFileSync(other).length).toBe(piped.out.length);
    },
  );
});

/** Has traffic as long as something is counted, whatever the machine does meanwhile. */
async function busy<T>(lab: Lab, counting: Promise<T>): Promise<T> {
  const over = new AbortController();
  const traffic = (async (): Promise<void> => {
    while (!over.signal.aborted) await lab.client.get(lab.server.ipv4);
  })();
  const counted = await counting.finally(() => over.abort());
  await traffic;
  return counted;
}

describeWith([root], 'top and metrics', () => {
  test.each([{ agent: false }, { agent: true }])('count what passes: %j', async (how) => {
    const here = await node(how);
    const { lab, run } = here;
    const { code, out } = await busy(lab, run(['top', '--once', '--interval', '2', '--json']));
    expect(code).toBe(0);
    const [line, ...more] = linesOf(out) as [
      {
        seconds: number;
        pods: { id: string; connections: Record<string, number>; traffic: Line[] }[];
        steered: Record<string, number>;
      },
    ];
    expect(more).toEqual([]);
    expect(line.seconds).toBeGreaterThanOrEqual(1.9);
    expect(line.pods.map(({ id }) => id)).toEqual(['shop/client', 'shop/server']);
    const [client] = line.pods;
    expect(client?.connections).toEqual({ outbound: expect.any(Number) as number, inbound: 0 });
    expect(client?.connections['outbound']).toBeGreaterThan(0);
    const captured = client?.traffic.find(({ verdict }) => verdict === 'captured');
    expect(captured).toMatchObject({ direction: 'outbound', outcome: 'redirected' });
    expect(Number(captured?.['packets']) * line.seconds).toBeGreaterThan(3);
    expect(line.steered['outbound']).toBeGreaterThan(0);

    const { out: text } = await busy(lab, run(['top', '--once', '--interval', '2', '--pod', 'shop/client']));
    expect(text).toMatch(/over \d\.\d s +at the proxy: outbound [\d.]+\/s/);
    expect(text).toMatch(/\nPOD +OPENED\/S +TAKEN\/S +DIRECTION +VERDICT +PACKETS\/S +BYTES\/S\n/);
    expect(text).toMatch(/\nshop\/client +[\d.]+ +0 +(outbound +captured|inbound +delivered) +[\d.,]+ +[\d.,]+\n/);
    expect(text).not.toContain('shop/server');

    const exposed = await run(['metrics']);
    expect(exposed.code).toBe(0);
    const told = exposed.out.match(/(?<=^# TYPE )\S+/gm);
    const wanted = Object.keys(METRICS).filter((name) => how.agent || !name.includes('reconcile'));
    expect(told?.toSorted()).toEqual(wanted.toSorted());
    expect(exposed.out).toMatch(
      /\nambient_redirect_packets_total\{pod="shop\/client",direction="outbound",family="ipv4",verdict="captured",.*\} \d+\n/,
    );
    expect(exposed.out).toMatch(
      /\nambient_redirect_connections_total\{pod="shop\/client",direction="outbound",family="ipv4"\} [1-9]\d*\n/,
    );
    expect(exposed.out).toContain('\nambient_redirect_pods{status="enrolled"} 2\n');
    expect(exposed.out).toContain('\nambient_redirect_proxy_listening 1\n');
    const document = JSON.parse((await run(['metrics', '--json'])).out) as { pods: { id: string }[] };
    expect(document.pods.map(({ id }) => id)).toEqual(['shop/client', 'shop/server']);
  });
});
