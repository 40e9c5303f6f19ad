import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LabHost } from '../support/lab-host.ts';
import { addPods, type PodSpec } from '../support/lab.ts';
import { describeWith } from '../support/needs.ts';
import { startLoad } from './load.ts';
import { NEEDS, Scene, SETUP_MS, SOME, synsSentAgain } from './scene.ts';

const MANY = 300;
const BUSY = 10;

/** The node's own prefixes: room for more pods than that of a lab. */
const PREFIXES = ['10.245.0.0/16', 'fd00:245::/112'] as const;

function spec(number: number): PodSpec {
  const host = number + 1;
  return {
    name: `pod-${number}`,
    ipv4: `10.245.${host >> 8}.${host & 255}`,
    ipv6: `fd00:245::${host.toString(16)}`,
    hostInterface: `v-${number}`,
    hostIndex: 100 + number,
  };
}

/** What this process, with its engine, has in memory, and what the kernel has for the maps and programs that it holds: in KiB. */
function memory(): { readonly process: number; readonly bpf: number } {
  const bpf = new Map<string, number>();
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      const [, size] = /^memlock:\s*(\d+)$/m.exec(text) ?? [];
      const [id] = /^(?:map|prog)_id:.*$/m.exec(text) ?? [];
      if (size !== undefined && id !== undefined) bpf.set(id, Number(size));
    } catch {
      // The descriptor by which the directory was read.
    }
  }
  const kib = (bytes: number): number => Math.round(bytes / 1024);
  return { process: kib(process.memoryUsage().rss), bpf: kib([...bpf.values()].reduce((a, b) => a + b, 0)) };
}

describeWith(NEEDS, `${MANY} pods that come and go together`, () => {
  describe.each(SOME.map((each) => [`${each.attach}, ${each.steer}`, each] as const))('%s', (name, combination) => {
    let scene: Scene;
    let pods: readonly LabHost[] = [];
    beforeAll(async () => {
      scene = await Scene.open(combination, { podCidrs: PREFIXES });
      pods = await addPods(
        scene.sys,
        scene.lab,
        Array.from({ length: MANY + BUSY }, (_, number) => spec(number)),
      );
    }, 2 * SETUP_MS);
    afterAll(async () => {
      await Promise.all(pods.map((each) => each.close()));
      const { node } = scene.lab;
      // Some time after their namespaces.
      const areGone = async (): Promise<boolean> => !/ (v-|if)\d+@/.test(await node.exec('ip', '-o', 'link'));
      await vi.waitUntil(areGone, { timeout: 30_000 });
      await scene.close();
    }, SETUP_MS);

    test(`${BUSY} others carry traffic, and lose nothing`, { timeout: 240_000 }, async () => {
      const { engine, lab } = scene;
      const [busy, others] = [pods.slice(0, BUSY), pods.slice(BUSY)];
      const requests = (some: readonly LabHost[]): { id: string; netns: { fd: number } }[] =>
        some.map((each) => ({ id: each.name, netns: { fd: each.netns.fd } }));
      await engine.enroll(requests(busy));
      const before = synsSentAgain(...busy, lab.server, lab.proxy);
      const loads = await Promise.all(busy.map((each) => startLoad(each, lab.server, { workers: 2, bulk: false })));
      const empty = memory();
      const began = performance.now();
      await engine.enroll(requests(others));
      const enrolled = performance.now();
      const full = memory();
      const { ok, pods: seen } = await engine.status();
      expect([ok, seen.length]).toEqual([true, MANY + BUSY]);
      const leaving = performance.now();
      const names = others.map((each) => each.name);
      expect(await engine.unenroll(names, { drain: { timeoutMs: 60_000 } })).toEqual(names.map(() => true));
      const left = performance.now();
      expect((await engine.status()).pods).toHaveLength(BUSY);
      const reports = await Promise.all(loads.map((load) => load.finish()));
      const sum = (of: 'connections' | 'exchanges'): number => reports.reduce((all, each) => all + each[of], 0);
      const each = (whole: number): string => (whole / MANY).toFixed(2);
      console.log(
        `${name}, ${MANY} pods: enrolled in ${each(enrolled - began)} ms each, unenrolled in ${each(left - leaving)}; ` +
          `memory of the process ${empty.process} + ${full.process - empty.process} KiB, of maps and programs ${empty.bpf} + ${full.bpf - empty.bpf}; ` +
          `${BUSY} others meanwhile: ${sum('connections')} connections, ${sum('exchanges')} exchanges`,
      );
      for (const report of reports) expect(report).toMatchObject({ broken: 0, slow: 0, failures: [] });
      expect(sum('connections')).toBeGreaterThan(BUSY * 10);
      expect(synsSentAgain(...busy, lab.server, lab.proxy) - before, 'SYNs that were sent again').toBe(0);
      expect(await scene.invalid.packets(), 'packets that connection tracking did not know').toBe(0);
    });
  });
});
