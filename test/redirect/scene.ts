/** A lab with a mesh or, as a control, without one; and the rows of tests that run in it. */
import { addAddress, addRoute, IFA_F, type Family, type Sys } from 'netlink-tc';
import { expect, test } from 'vitest';
import { haproxySessions, type Frontend } from '../support/lab-proxy.ts';
import { createLab, type Lab, type LabOptions } from '../support/lab.ts';
import { SLOWNESS } from '../support/slowness.ts';
import type { Mesh } from './mesh.ts';

/** Both families: every row is for each. */
export const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Addresses that the hosts of a scene have besides those of the lab. */
export const EXTRA = {
  /** The node has a second address, which no interface of a pod leads to. */
  node: { ipv4: '172.31.0.1', ipv6: 'fd00:31::1' },
  /** A second address of `server`. */
  server: { ipv4: '10.244.7.16', ipv6: 'fd00:7::16' },
  /** Of `outside`, in a prefix that the node's engine leaves alone. */
  bypassed: { ipv4: '172.30.9.1', ipv6: 'fd00:30:9::1' },
  /** Of `outside`, reached by a path of 1300 bytes. */
  narrow: { ipv4: '172.30.13.1', ipv6: 'fd00:30:13::1' },
  /** Nobody's: the node says at once that it cannot be reached. */
  unreachable: { ipv4: '10.99.0.1', ipv6: 'fd00:99::1' },
  /** Nobody's, of the pods' prefix. */
  nobody: { ipv4: '10.244.7.200', ipv6: 'fd00:7::200' },
} as const;

/** Prefixes of {@link EXTRA}'s `bypassed`. */
export const BYPASS = ['172.30.9.0/24', 'fd00:30:9::/48'] as const;

/** Path MTU to {@link EXTRA}'s `narrow`. */
export const NARROW_MTU = 1300;

/** What the proxy is expected to take, by listener. */
export type Taken = Readonly<Partial<Record<'outbound' | 'plaintext' | 'hbone', number>>>;

/** Where rows run. */
export interface Scene {
  readonly lab: Lab;
  /** Undefined in a control: there is no mesh, and the same traffic must behave alike. */
  readonly mesh: Mesh | undefined;
  /**
   * Does some work, and checks that HAProxy takes just these connections of it. In a control there is nothing to check: the work shows what it
   * is without a mesh.
   */
  takes(family: Family, taken: Taken, work: () => Promise<unknown>): Promise<void>;
}

/** One kind of traffic, and what must become of it. */
export interface Row {
  readonly name: string;
  /** Where it makes sense; everywhere if left out. */
  readonly only?: 'mesh' | 'control';
  readonly run: (scene: Scene, family: Family) => Promise<void>;
}

const LOOPBACK = 1;
const ETH0 = 2;

async function furnish(lab: Lab, { cni = 'routed' }: LabOptions): Promise<void> {
  const { node, server, outside } = lab;
  for (const family of FAMILIES) {
    const length = family === 'ipv4' ? 32 : 128;
    const flags = family === 'ipv6' ? IFA_F.NODAD : 0;
    const one = (device: number, address: string): Parameters<typeof addAddress>[0] => ({
      device,
      address: `${address}/${length}`,
      flags,
    });
    await outside.socket.batch([
      addAddress(one(LOOPBACK, EXTRA.bypassed[family])),
      addAddress(one(LOOPBACK, EXTRA.narrow[family])),
      addRoute({ destination: EXTRA.node[family], gateway: node.address(family) }),
    ]);
    await server.socket.request(addAddress(one(ETH0, EXTRA.server[family])));
    const gateway = outside.address(family);
    await node.socket.batch([
      addAddress(one(LOOPBACK, EXTRA.node[family])),
      addRoute({ destination: EXTRA.bypassed[family], gateway }),
      addRoute({ destination: EXTRA.narrow[family], gateway, metrics: { mtu: NARROW_MTU } }),
      addRoute({ destination: EXTRA.unreachable[family], type: 'unreachable' }),
      ...(cni === 'routed' ? [addRoute({ destination: EXTRA.server[family], device: server.hostIndex })] : []),
    ]);
  }
  for (const name of ['node', 'outside', 'client', 'server', 'outsider'] as const) await lab[name].serveHttp();
  await server.serveHttp(15008);
}

/** Makes a lab with the addresses of {@link EXTRA}, and web servers on port 80 of all hosts but the proxy. */
export async function createFurnishedLab(sys: Sys, options: LabOptions = {}): Promise<Lab> {
  const lab = await createLab(sys, options);
  try {
    await furnish(lab, options);
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** A scene in a lab. */
export function sceneOf(lab: Lab, mesh?: Mesh): Scene {
  return {
    lab,
    mesh,
    async takes(family, taken, work) {
      if (mesh === undefined) return void (await work());
      const before = await haproxySessions(lab.proxy);
      await work();
      const after = await haproxySessions(lab.proxy);
      const frontends = Object.keys(after) as Frontend[];
      const difference = Object.fromEntries(frontends.map((each) => [each, after[each] - before[each]]));
      const digit = family === 'ipv4' ? 4 : 6;
      const wanted = Object.entries(taken).map(([purpose, count]) => [`${purpose}${digit}`, count]);
      const none = frontends.map((each) => [each, 0]);
      expect(difference, 'connections at the proxy').toEqual(Object.fromEntries([...none, ...wanted]));
    },
  };
}

/** What traffic waits for has limits of its own; making programs takes long where several processes share a CPU. */
const ROW_MS = 60_000 * SLOWNESS;

/** Makes a test of each row that fits, for each family. */
export function registerRows(rows: readonly Row[], scene: () => Scene, where: 'mesh' | 'control'): void {
  for (const { name, only, run } of rows) {
    if (only !== undefined && only !== where) continue;
    for (const family of FAMILIES) {
      const options = { timeout: ROW_MS };
      test(`${name}, ${family}`, options, async () => {
        expect.hasAssertions();
        await run(scene(), family);
      });
    }
  }
}
