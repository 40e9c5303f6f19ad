/** Neighbours that can keep packets from the programs of a pod: enrolment says so, or refuses. */
import { exit, jeq, label, ldxw, mov64 } from 'bpf-asm';
import { addFilter, attachTcx, replaceQdisc, TC_ACT, type Direction } from 'netlink-tc';
import { expect, test, vi } from 'vitest';
import type { EngineOptions, RedirectEngine } from '../../packages/ambient-redirect/src/engine/index.ts';
import { Tracer } from '../../packages/netlink-tc/test/hook.ts';
import { lacksTcx } from '../../packages/netlink-tc/test/kernel.ts';
import { closing } from '../../packages/netlink-tc/test/sys.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { byProxy, foreignOn, scene, type Scene } from './scene.ts';

vi.setConfig({ testTimeout: 120_000 * SLOWNESS, hookTimeout: 60_000 * SLOWNESS });

const { OK, SHOT, UNSPEC } = TC_ACT;

/** Lets frames of one type, which is none here, go on past all others; the rest is left to the next. */
const SOMETIMES = [
  ldxw('r2', 'r6', 16),
  mov64('r0', OK),
  jeq('r2', 0x1234, 'out'),
  mov64('r0', UNSPEC),
  label('out'),
  exit(),
];

/** A neighbour of ours on an interface: where it is, and what it answers. */
interface Neighbour {
  readonly layer: 'tcx' | 'clsact';
  readonly direction: Direction;
  readonly code: number | typeof SOMETIMES;
  readonly priority?: number;
}

/** Puts it there. @returns how to take it off */
async function put({ sys, lab: { node, client } }: Scene, neighbour: Neighbour): Promise<() => Promise<unknown>> {
  const { layer, direction, code, priority = 1 } = neighbour;
  const program = new Tracer(sys).program(1, code);
  const { hostIndex: device } = client;
  if (layer === 'tcx') {
    const link = closing(node.netns.run(() => attachTcx(sys, program, device, direction)));
    return async () => link.detach();
  }
  await node.socket.request(replaceQdisc({ device, kind: 'clsact' }));
  const options = { fd: program.fd, name: 'theirs', flags: 1 };
  await node.socket.request(addFilter({ device, parent: direction, kind: 'bpf', priority, options }));
  return () => node.exec('tc', 'qdisc', 'del', 'dev', 'v-client', 'clsact');
}

type Row = readonly [what: string, options: EngineOptions, neighbour: Neighbour];

const HIDING: readonly Row[] = [
  ['tcx, a program before', { attach: 'tcx' }, { layer: 'tcx', direction: 'ingress', code: SOMETIMES }],
  ['tcx, the same at egress', { attach: 'tcx' }, { layer: 'tcx', direction: 'egress', code: SOMETIMES }],
  ['clsact, a filter before', { attach: 'clsact' }, { layer: 'clsact', direction: 'ingress', code: SOMETIMES }],
  ['clsact, a program on tcx', { attach: 'clsact' }, { layer: 'tcx', direction: 'egress', code: SOMETIMES }],
];

const BEHIND: Neighbour = { layer: 'clsact', direction: 'ingress', code: OK, priority: 30_000 };

const HARMLESS: readonly Row[] = [
  ['tcx, ours at the head', { attach: 'tcx', order: 'head' }, { layer: 'tcx', direction: 'ingress', code: OK }],
  ['tcx, one that drops', { attach: 'tcx' }, { layer: 'tcx', direction: 'ingress', code: SHOT }],
  ['tcx, filters are behind', { attach: 'tcx' }, { layer: 'clsact', direction: 'ingress', code: OK }],
  ['clsact, a filter behind', { attach: 'clsact' }, BEHIND],
];

/** Enrolls `client` beside each neighbour, looks, and puts all back as it was. */
async function beside(
  rows: readonly Row[],
  look: (stage: Scene, engine: RedirectEngine, row: Row) => Promise<void>,
): Promise<void> {
  const stage = await scene();
  const { sys, lab } = stage;
  for (const row of rows) {
    const [what, options, neighbour] = row;
    if ((neighbour.layer === 'tcx' || options.attach === 'tcx') && lacksTcx(sys)) continue;
    const takeOff = await put(stage, neighbour);
    const before = await foreignOn(sys, lab.node, lab.client);
    const engine = await stage.open(options);
    await look(stage, engine, row);
    await engine.unenroll('client');
    // A qdisc that it made stays until then.
    await engine.teardown();
    expect(await foreignOn(sys, lab.node, lab.client), what).toEqual(before);
    await takeOff();
  }
}

describeWith(
  [root, tool('haproxy'), tool('ip'), tool('tc'), tool('bpftool')],
  'neighbours on the hooks of a pod',
  () => {
    test('those that can hide ours are told of, or the pod is refused', async () => {
      expect.hasAssertions();
      await beside(HIDING, async (stage, engine, [what, , { layer, direction }]) => {
        const [pod = { id: '' }] = stage.pods('client');
        const error = await engine.enroll(pod, { onShadowed: 'fail' }).catch((reason: unknown) => reason);
        const neighbour = { interface: 'v-client', layer, direction, programName: 'p1' };
        expect(error, what).toMatchObject({ code: 'ERR_SHADOWED', interface: 'v-client', neighbours: [neighbour] });
        const name = layer === 'clsact' ? 'bpf filter at priority 1, program p1' : 'program p1';
        expect(String(error), what).toContain(name);
        expect((await engine.status()).pods, what).toEqual([]);
        expect(await stage.lab.node.exec('bpftool', 'net'), what).not.toContain('app_');
        const { warnings } = await engine.enroll(pod);
        const sentence = `on ${direction} of v-client can end the hook before app_`;
        expect(warnings, what).toEqual([expect.stringContaining(sentence)]);
        expect((await engine.status()).pods, what).toMatchObject([{ warnings }]);
        expect(await byProxy(stage), what).toBe(true);
      });
    });

    test('others are not', async () => {
      expect.hasAssertions();
      await beside(HARMLESS, async (stage, engine, [what]) => {
        const [pod = { id: '' }] = stage.pods('client');
        expect((await engine.enroll(pod, { onShadowed: 'fail' })).warnings, what).toEqual([]);
        expect((await engine.status()).pods, what).toMatchObject([{ warnings: [] }]);
      });
    });
  },
);
