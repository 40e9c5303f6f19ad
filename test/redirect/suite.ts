/** The tests of one way to redirect: all rows in one lab, with one engine. */
import { readdirSync } from 'node:fs';
import { openSys } from 'netlink-tc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attachModes } from '../../packages/netlink-tc/test/kernel.ts';
import { startHaproxy } from '../support/lab-proxy.ts';
import type { LabOptions } from '../support/lab.ts';
import { tool, root, type Need } from '../support/needs.ts';
import { addNftRule, type PacketCounter } from '../support/nft.ts';
import { GUARDS } from './guard.rows.ts';
import { Mesh, type Combination } from './mesh.ts';
import { PATHS } from './path.rows.ts';
import { REACH } from './reach.rows.ts';
import { createFurnishedLab, FAMILIES, registerRows, sceneOf, type Row, type Scene } from './scene.ts';
import { Survivors } from './survivors.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { labTraces } from '../support/traces.ts';
import { until } from '../support/traffic.ts';
import { difference } from '../support/residue.ts';
import { STREAMS } from './streams.rows.ts';
import { TRANSITIONS } from './transition.rows.ts';
import { UNTOUCHED } from './untouched.rows.ts';

/** A lab and a mesh take a second; more on a machine that is busy, and on other kernels under QEMU. */
export const SETUP_MS: number = 60_000 * SLOWNESS;

/** What the rows need of the machine. */
export const NEEDS: readonly Need[] = [root, ...['haproxy', 'nft', 'ethtool', 'ping'].map(tool)];

/** Every row. */
const ROWS: readonly Row[] = [...REACH, ...STREAMS, ...UNTOUCHED, ...PATHS, ...GUARDS, ...TRANSITIONS];

/** The rows without a mesh: how things are when nobody redirects anything. */
export function describeControl(options: LabOptions): void {
  describe(`control: no mesh, ${options.cni ?? 'routed'}`, () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = sceneOf(await createFurnishedLab(await openSys(), options));
    }, SETUP_MS);
    afterAll(() => scene.lab.close());
    registerRows(ROWS, () => scene, 'control');
  });
}

/** The rows with a mesh, then its end: nothing may be left of it. */
export function describeMesh(combination: Combination, options: LabOptions = {}, rows: readonly Row[] = ROWS): void {
  const { attach, steer } = combination;
  describe.runIf(attachModes().includes(attach))(`${attach}, ${steer}, ${options.cni ?? 'routed'}`, () => {
    let scene: Scene;
    let before: readonly string[];
    let invalid: PacketCounter;
    let mesh: Mesh;
    let survivors: Survivors;
    const directory = `/sys/fs/bpf/ambient-test-${process.pid}-${attach}-${steer}`;
    beforeAll(async () => {
      const sys = await openSys();
      const lab = await createFurnishedLab(sys, options);
      scene = sceneOf(lab);
      try {
        before = labTraces(lab);
        // As kube-proxy has it (SPIKES 0.5).
        invalid = await addNftRule(lab.node, 'invalid', 'forward', 'ct state invalid', 'drop');
        survivors = await Survivors.open(lab);
        mesh = await Mesh.open(sys, lab, combination, () => startHaproxy(lab.proxy), { directory });
        scene = sceneOf(lab, mesh);
      } catch (error) {
        await lab.close();
        throw error;
      }
    }, SETUP_MS);
    afterAll(async () => {
      await scene.mesh?.close();
      await scene.lab.close();
    });

    test('all is as it is wanted', async () => {
      const status = await mesh.engine.status();
      expect(status.ok).toBe(true);
      expect(status.proxy?.steering).toMatchObject({ mode: steer });
      const hooks = status.pods.flatMap((pod) => pod.hooks.map(({ attached }) => attached));
      expect(hooks).toEqual([attach, attach, attach, attach]);
    });

    test(
      'LAB 2 #7: connections that were open before go on past the proxy, until they end',
      async () => {
        const modes = async (): Promise<string[]> => (await mesh.engine.status()).pods.map(({ mode }) => mode);
        expect(await modes()).toEqual(['preserve', 'preserve']);
        for (const family of FAMILIES) {
          await scene.takes(family, { outbound: 1 }, async () => {
            await survivors.speak('after');
            await scene.lab.client.get(scene.lab.outsider.address(family));
          });
        }
        await survivors.close();
        await until('no connection is left', async () => {
          await mesh.engine.reconcile();
          return (await modes()).every((mode) => mode === 'full');
        });
      },
      SETUP_MS,
    );

    registerRows(rows, () => scene, 'mesh');

    test('SPIKES 0.5: the connection tracking of the node knew every packet', async () => {
      expect(await invalid.packets()).toBe(0);
      await invalid[Symbol.asyncDispose]();
    });

    test(
      'teardown leaves nothing, and connections go past the proxy',
      async () => {
        await mesh.engine.teardown();
        expect(readdirSync('/sys/fs/bpf')).not.toContain(directory.slice(directory.lastIndexOf('/') + 1));
        expect(difference(before, labTraces(scene.lab))).toEqual([]);
        for (const family of ['ipv4', 'ipv6'] as const) {
          await scene.takes(family, {}, async () => {
            expect(await scene.lab.client.get(scene.lab.server.address(family))).toMatchObject({ server: 'server' });
            expect(await scene.lab.outsider.get(scene.lab.server.address(family))).toMatchObject({ server: 'server' });
          });
        }
      },
      SETUP_MS,
    );
  });
}
