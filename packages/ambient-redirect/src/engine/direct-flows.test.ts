import { addAddress, IFA_F, setLink } from 'netlink-tc';
import { once } from 'node:events';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { LabHost } from '../../../../test/support/lab-host.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { DirectFlows, flowsOf, mapped, nameOf, openConnections, type FlowKey } from './direct-flows.ts';
import { StateDirectory } from './directory.ts';
import type { PodRecord } from './pod-record.ts';

const POD: PodRecord = {
  id: 'pod',
  slot: 1,
  phase: 'enrolled',
  mode: 'preserve',
  kind: 'veth',
  hostInterface: { index: 11, name: 'v-pod', mac: undefined },
  podInterface: { index: 2, name: 'eth0', mac: undefined },
  addresses: { ipv4: ['10.244.7.5'], ipv6: ['fd00:7::5'] },
  addressesGiven: false,
  netns: undefined,
  netnsPath: undefined,
  policy: {
    dns: false,
    outbound: {
      includeCidrs: { ipv4: [], ipv6: [] },
      excludeCidrs: { ipv4: [], ipv6: [] },
      includePorts: [],
      excludePorts: [],
    },
    inbound: {
      includeCidrs: { ipv4: [], ipv6: [] },
      excludeCidrs: { ipv4: [], ipv6: [] },
      includePorts: [],
      excludePorts: [],
    },
  },
  hooks: {},
};

const flow = (podPort: number, pod = '10.244.7.5'): FlowKey => ({
  pod: mapped(pod),
  other: mapped('10.96.0.1'),
  podPort,
  otherPort: 443,
});

test('addresses are as the map has them', () => {
  expect(mapped('10.0.0.1')).toBe('::ffff:10.0.0.1');
  expect(mapped('fd00::1')).toBe('fd00::1');
});

describeWith([root], 'connections that run past the proxy', () => {
  test('are those that a pod has open: of its redirected addresses, of sockets of either family', async () => {
    const sys = await testSys();
    const host = new LabHost(sys, { name: 'pod', ipv4: '', ipv6: '', hostInterface: '', hostIndex: 0 });
    onTestFinished(() => host.close());
    const own = { device: 1, flags: IFA_F.NODAD };
    await host.socket.batch([
      setLink('lo', { up: true }),
      addAddress({ ...own, address: '10.244.7.5/32' }),
      addAddress({ ...own, address: '10.244.7.8/32' }),
      addAddress({ ...own, address: 'fd00:7::5/128' }),
    ]);
    await using _server = await host.serveTcp(80, () => undefined);
    const connect = async (from: string, to: string): Promise<number> => {
      const socket = host.connect({ to: { address: to, port: 80 }, from: { address: from, port: 0 } });
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      return socket.localPort ?? 0;
    };
    const ipv4 = await connect('10.244.7.5', '10.244.7.8');
    const ipv6 = await connect('fd00:7::5', '::1');
    await connect('10.244.7.8', '10.244.7.8');
    const ended = host.connect({ to: { address: '10.244.7.8', port: 80 }, from: { address: '10.244.7.5', port: 0 } });
    await once(ended, 'connect');
    ended.resetAndDestroy();
    // What comes to it counts as much as what it has opened.
    const back = await connect('10.244.7.8', '10.244.7.5');
    const flows = flowsOf(POD, await openConnections(sys, host.netns));
    expect(flows.map(nameOf).toSorted()).toEqual(
      [
        `::ffff:10.244.7.5 ${ipv4} ::ffff:10.244.7.8 80`,
        `fd00:7::5 ${ipv6} ::1 80`,
        `::ffff:10.244.7.5 80 ::ffff:10.244.7.8 ${back}`,
      ].toSorted(),
    );
  });

  describe('in the map', () => {
    let state: StateDirectory;
    let flows: DirectFlows;
    const there = (): number[] => [...state.maps.direct.keys()].map(({ podPort }) => podPort).toSorted((a, b) => a - b);

    beforeEach(async () => {
      const sys = await testSys();
      state = StateDirectory.open(sys, statePath(sys), { create: true });
      onTestFinished(() => state.close());
      flows = new DirectFlows(state.maps);
    });

    test('one that a program has noted stays as it is', () => {
      state.maps.direct.update(flow(1), { open: 1, podFin: 1, otherFin: 0 });
      flows.note([flow(1), flow(2)]);
      flows.note([flow(2), flow(3)], { open: false });
      expect(state.maps.direct.lookup(flow(1))).toEqual({ open: 1, podFin: 1, otherFin: 0 });
      expect(state.maps.direct.lookup(flow(2))).toEqual({ open: 1, podFin: 0, otherFin: 0 });
      expect(state.maps.direct.lookup(flow(3))).toEqual({ open: 0, podFin: 0, otherFin: 0 });
    });

    test('those are swept that have no socket at two looks, of pods that were looked at', () => {
      flows.note([flow(1), flow(2), flow(3, 'fd00:7::5'), flow(4, '10.244.7.99')]);
      const [ipv4, ipv6] = [mapped('10.244.7.5'), 'fd00:7::5'];
      const look = (...open: readonly FlowKey[]): ReadonlyMap<string, number> =>
        flows.sweep(
          new Map([ipv4, ipv6].map((pod) => [pod, new Set(open.filter((each) => each.pod === pod).map(nameOf))])),
        );
      expect(look(flow(1))).toEqual(new Map([[ipv4, 2], [ipv6, 1]])); // prettier-ignore
      expect(there()).toEqual([1, 2, 3, 4]);
      // The second has a socket by now: it was young.
      expect(look(flow(2))).toEqual(new Map([[ipv4, 2], [ipv6, 0]])); // prettier-ignore
      expect(there()).toEqual([1, 2, 4]);
      expect(look()).toEqual(new Map([[ipv4, 1], [ipv6, 0]])); // prettier-ignore
      expect(look()).toEqual(new Map([[ipv4, 0], [ipv6, 0]])); // prettier-ignore
      expect(there()).toEqual([4]);
    });

    test('those of a pod that gets more are swept when they cannot be young any more', () => {
      const pod = mapped('10.244.7.5');
      const open = (...some: readonly FlowKey[]): ReadonlyMap<string, ReadonlySet<string>> =>
        new Map([[pod, new Set(some.map(nameOf))]]);
      const growing = new Set([pod]);
      flows.note([flow(1), flow(2)]);
      expect(flows.sweep(open(), { growing, now: 5_000 }).get(pod)).toBe(2);
      expect(flows.sweep(open(flow(2)), { growing, now: 5_999 }).get(pod)).toBe(2);
      expect(flows.sweep(open(), { growing, now: 6_000 }).get(pod)).toBe(1);
      expect(there()).toEqual([2]);
      // It had a socket meanwhile: its time begins anew.
      expect(flows.sweep(open(), { growing, now: 6_999 }).get(pod)).toBe(1);
      expect(flows.sweep(open(), { growing, now: 7_000 }).get(pod)).toBe(0);
    });

    test('those of some addresses are forgotten', () => {
      flows.note([flow(1), flow(2, 'fd00:7::5'), flow(3, '10.244.7.99')]);
      flows.forget(['10.244.7.5', 'fd00:7::5']);
      expect(there()).toEqual([3]);
    });
  });
});
