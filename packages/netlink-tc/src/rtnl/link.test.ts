import { beforeAll, expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { expectLacking, testNetns, testPair, toolCan } from '../../test/netns.ts';
import { openSys, type Sys } from '../sys/index.ts';
import {
  addLink,
  deleteLink,
  deleteLinkGroup,
  deleteLinks,
  getLink,
  listLinks,
  setLink,
  type Link,
  type LinkSpec,
} from './link.ts';
import { getNetnsId, listNetnsIds, setNetnsId } from './netns-id.ts';

test('references and specs that make no sense are refused before anything is sent', () => {
  expect(() => getLink(0)).toThrow(/no index/);
  expect(() => setLink('a', { name: 'b' })).toThrow(/give its index/);
});

describeWith([root, tool('ip')], 'links of the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  /** What both tell of a link, in the words of ip-link(8). */
  function summary(links: readonly Link[]): unknown[] {
    const names = new Map(links.map(({ index, name }) => [index, name]));
    return links.map((link) => ({
      ifindex: link.index,
      ifname: link.name,
      kind: link.kind,
      mtu: link.mtu,
      address: link.address,
      broadcast: link.broadcast,
      operstate: link.operState.toUpperCase(),
      qdisc: link.qdisc,
      master: link.master === undefined ? undefined : names.get(link.master),
      link: link.parent === undefined || link.parentNetnsId !== undefined ? undefined : names.get(link.parent),
      txqlen: link.txQueueLength,
      ifalias: link.alias,
      up: link.up,
    }));
  }
  function summaryOfTool(links: readonly Record<string, unknown>[]): unknown[] {
    return links.map((link) => ({
      ifindex: link['ifindex'],
      ifname: link['ifname'],
      kind: (link['linkinfo'] as { info_kind?: string } | undefined)?.info_kind,
      mtu: link['mtu'],
      address: link['address'],
      broadcast: link['broadcast'],
      operstate: link['operstate'],
      qdisc: link['qdisc'],
      master: link['master'],
      link: link['link'],
      txqlen: link['txqlen'],
      ifalias: link['ifalias'],
      up: (link['flags'] as string[]).includes('UP'),
    }));
  }

  test('what we make, ip sees; what ip makes, we see', async () => {
    const { socket, json, run } = testNetns(sys);
    await socket.batch([
      addLink({
        kind: 'veth',
        name: 'v0',
        up: true,
        mtu: 1400,
        peer: { name: 'v1', address: '02:00:00:00:00:01' },
      }),
      addLink({ kind: 'bridge', name: 'br0', up: true, data: { ageingTime: 1000, stpState: 0, priority: 7 } }),
      addLink({ kind: 'ifb', name: 'ifb0', txQueueLength: 7, alias: 'an alias' }),
      setLink('lo', { up: true }),
    ]);
    const [v0, v1, br0] = await socket.batch([getLink('v0'), getLink('v1'), getLink('br0')]);
    await socket.batch([
      setLink(v0.index, { master: br0.index }),
      addLink({
        kind: 'vxlan',
        name: 'vx0',
        data: { id: 42, local: '10.0.0.1', group: '239.1.1.1', link: v1.index, port: 4789 },
      }),
      addLink({ kind: 'vxlan', name: 'vx6', data: { id: 43, group6: 'fd00::2', port: 4789, learning: false } }),
      addLink({ kind: 'macvlan', name: 'mv0', parent: v1.index, data: { mode: 'bridge' } }),
    ]);
    run('ip', 'link', 'add', 'w0', 'type', 'veth', 'peer', 'name', 'w1');
    run('ip', 'link', 'add', 'br1', 'type', 'bridge', 'forward_delay', '400');
    run('ip', 'link', 'add', 'vx1', 'type', 'vxlan', 'id', '7', 'remote', '10.9.9.9', 'dstport', '8472');
    run('ip', 'link', 'add', 'mv1', 'link', 'w0', 'type', 'macvlan', 'mode', 'private');
    run('ip', 'link', 'add', 'i1', 'type', 'ifb');

    const links = await socket.request(listLinks());
    const told = json('ip', '-j', '-d', 'link');
    expect(summary(links)).toEqual(summaryOfTool(told));
    expect(links).toHaveLength(14);
    const data = Object.fromEntries(links.map((link) => [link.name, link.data]));
    expect(data['br0']).toMatchObject({ ageingTime: 1000, stpState: 0, priority: 7 });
    expect(data['br1']).toMatchObject({ forwardDelay: 400 });
    expect(data['vx0']).toMatchObject({ id: 42, local: '10.0.0.1', group: '239.1.1.1', link: v1.index, port: 4789 });
    expect(data['vx6']).toMatchObject({ id: 43, group6: 'fd00::2', learning: false });
    expect(data['vx1']).toMatchObject({ id: 7, group: '10.9.9.9', port: 8472 });
    expect(data['mv0']).toMatchObject({ mode: 'bridge' });
    expect(data['mv1']).toMatchObject({ mode: 'private' });
    const info = (name: string): unknown =>
      (told.find((link) => link['ifname'] === name)?.['linkinfo'] as { info_data?: unknown } | undefined)?.info_data;
    expect(info('vx0')).toMatchObject({ id: 42, local: '10.0.0.1', group: '239.1.1.1', port: 4789 });
    expect(info('vx6')).toMatchObject({ id: 43, remote6: 'fd00::2', learning: false });
    expect(info('mv0')).toMatchObject({ mode: 'bridge' });
    expect(info('br0')).toMatchObject({ ageing_time: 1000, priority: 7 });

    expect((await socket.request(listLinks({ kind: 'bridge' }))).map(({ name }) => name)).toEqual(['br0', 'br1']);
    expect((await socket.request(listLinks({ master: br0.index }))).map(({ name }) => name)).toEqual(['v0']);
    await socket.batch([deleteLink('vx0'), deleteLink(v0.index), deleteLink('br1')]);
    const left = json('ip', '-j', 'link').map((link) => link['ifname']);
    expect(left).not.toEqual(expect.arrayContaining(['v1']));
    expect(left).toContain('br0');
  });

  test('every setting changes what it names', async () => {
    const { socket, json } = testNetns(sys);
    await socket.request(addLink({ kind: 'veth', name: 'a', peer: { name: 'b' } }));
    const { index } = await socket.request(getLink('a'));
    await socket.batch([
      setLink(index, {
        name: 'renamed',
        mtu: 1300,
        address: '02:00:00:00:00:09',
        txQueueLength: 5,
        alias: 'x',
        group: 3,
      }),
      setLink('renamed', { up: true }),
      setLink('b', { up: true }),
    ]);
    const [told] = json('ip', '-j', 'link', 'show', 'dev', 'renamed');
    expect(told).toMatchObject({
      ifindex: index,
      mtu: 1300,
      address: '02:00:00:00:00:09',
      txqlen: 5,
      ifalias: 'x',
      group: '3',
    });
    expect(told?.['flags']).toContain('UP');
    await socket.request(setLink(index, { up: false }));
    expect(await socket.request(getLink(index))).toMatchObject({
      name: 'renamed',
      up: false,
      mtu: 1300,
      group: 3,
      alias: 'x',
    });
  });

  test('links move between namespaces; peers are told by namespace id', async () => {
    const here = testNetns(sys);
    const there = testNetns(sys);
    expect(await here.socket.request(getNetnsId(there.netns))).toBeUndefined();
    await here.socket.request(addLink({ kind: 'veth', name: 'a', peer: { name: 'b', netns: there.netns } }));
    const a = await here.socket.request(getLink('a'));
    const b = await there.socket.request(getLink('b'));
    expect(a.parent).toBe(b.index);
    expect(a.parentNetnsId).toBe(await here.socket.request(getNetnsId(there.netns)));
    expect(await here.socket.request(listNetnsIds())).toEqual([a.parentNetnsId]);
    expect(here.json('ip', '-j', 'netns', 'list-id').map(({ nsid }) => nsid)).toEqual([a.parentNetnsId]);
    await expect(here.socket.request(setNetnsId(there.netns, 9))).rejects.toMatchObject({ code: 'ERR_EXISTS' });
    await there.socket.request(setLink('b', { netns: here.netns }));
    const [again] = here.json('ip', '-j', 'link', 'show', 'dev', 'b');
    expect(again).toMatchObject({ ifname: 'b', link: 'a' });
    await expect(there.socket.request(getLink('b'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  const refusals: [LinkSpec, object][] = [
    [
      { kind: 'vxlan', name: 'x', data: { id: 1 << 25 } } as LinkSpec,
      { attribute: 'IFLA_LINKINFO.IFLA_INFO_DATA.IFLA_VXLAN_ID', kernelMessage: expect.stringContaining('16777216') },
    ],
    [
      { kind: 'no-such-kind', name: 'x' },
      { code: 'ERR_UNSUPPORTED', kernelMessage: expect.stringContaining('Unknown device type') },
    ],
    [{ kind: 'bridge', name: 'lo' }, { code: 'ERR_EXISTS' }],
    [{ kind: 'veth', name: 'x', peer: { name: 'y', mtu: 5 } }, { code: 'ERR_SYSCALL' }],
  ];
  test.each(refusals)('the kernel refuses %j, and says why', async (spec, expected) => {
    const { socket, json } = testNetns(sys);
    const before = json('ip', '-j', 'link');
    await expect(socket.request(addLink(spec))).rejects.toMatchObject(expected);
    expect(json('ip', '-j', 'link')).toEqual(before);
  });

  // What we make and how ip tells it, what ip makes and how we tell it. `v0`, link 2, is there.
  const ports = { remote: '10.0.0.2', port: 6081 };
  // prettier-ignore
  const kinds: [LinkSpec, object, string, unknown][] = [
    [{ kind: 'dummy', name: 'ours' }, {}, 'type dummy', undefined],
    [{ kind: 'ifb', name: 'ours' }, {}, 'type ifb', undefined],
    [{ kind: 'veth', name: 'ours', peer: { name: 'end' } }, {}, 'type veth', undefined],
    [typed({ kind: 'bridge', name: 'ours', data: { forwardDelay: 500 } }), { forward_delay: 500 }, 'type bridge forward_delay 600', { forwardDelay: 600 }],
    [typed({ kind: 'vlan', name: 'ours', parent: 2, data: { id: 100, protocol: '802.1ad' } }), { id: 100, protocol: '802.1ad' }, 'link v0 type vlan id 101', { id: 101, protocol: '802.1q' }],
    [typed({ kind: 'macvlan', name: 'ours', parent: 2, data: { mode: 'vepa' } }), { mode: 'vepa' }, 'link v0 type macvlan mode bridge', { mode: 'bridge' }],
    [typed({ kind: 'vxlan', name: 'ours', data: { id: 5, port: 4789 } }), { id: 5, port: 4789 }, 'type vxlan id 6 dstport 4790', { id: 6, port: 4790 }],
    [typed({ kind: 'geneve', name: 'ours', data: { id: 5, ...ports } }), { id: 5, ...ports }, 'type geneve id 6 remote fd00::6', { id: 6, remote6: 'fd00::6' }],
    // An ip of before netkit makes pairs of it, and does not tell what they are like.
    [typed({ kind: 'netkit', name: 'ours', data: { mode: 'l2', policy: 'drop' }, peer: { name: 'end' } }), {}, 'type netkit', { mode: 'l3', policy: 'pass', primary: true }],
  ];
  function typed<K extends string>(spec: LinkSpec<K>): LinkSpec {
    return spec as LinkSpec;
  }

  test.each(kinds)(
    '%j: both ways, or refused both ways where the kernel has no such links',
    async (ours, seen, words, read) => {
      const { socket, json, run } = await testPair(sys);
      const byIp = (): string => run('ip', 'link', 'add', 'theirs', ...words.split(' '));
      if (!toolCan(byIp, /Unknown device type|not supported/)) {
        await expectLacking(socket.request(addLink(ours)), /Unknown device type/);
        return;
      }
      const theirs = await socket.request(getLink('theirs'));
      expect(theirs).toMatchObject({ kind: ours.kind, ...(read === undefined ? {} : { data: read }) });
      await socket.request(addLink(ours));
      const told = json('ip', '-j', '-d', 'link', 'show', 'dev', 'ours')[0]?.['linkinfo'] as Record<string, unknown>;
      expect(told['info_kind']).toBe(ours.kind);
      expect(told['info_data'] ?? {}).toMatchObject(seen);
      expect(await socket.request(getLink('ours'))).toMatchObject(ours.data === undefined ? {} : { data: ours.data });
      await socket.batch([deleteLink('ours'), deleteLink('theirs')]);
      expect(
        json('ip', '-j', 'link')
          .map((link) => link['ifname'])
          .toSorted(),
      ).toEqual(['lo', 'v0', 'v1']);
    },
  );

  test('a group goes at once, and nothing else with it', async () => {
    const { socket } = testNetns(sys);
    await socket.batch([1, 2, 3].map((n) => addLink({ kind: 'bridge', name: `br${n}`, group: n < 3 ? 7 : 8 })));
    await socket.request(deleteLinkGroup(7));
    expect((await socket.request(listLinks())).map(({ name }) => name)).toEqual(['lo', 'br3']);
    await expect(socket.request(deleteLinkGroup(7))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(() => deleteLinkGroup(0)).toThrow(/every link is in group 0/);
  });

  test('links are deleted together; what is not there does not keep the others', async () => {
    const { socket } = await testPair(sys);
    await socket.batch([1, 2, 3].map((n) => addLink({ kind: 'bridge', name: `br${n}` })));
    await socket.batch(deleteLinks(['br1', 'v0']));
    expect((await socket.request(listLinks())).map(({ name }) => name).toSorted()).toEqual(['br2', 'br3', 'lo']);
    const results = await Promise.allSettled(socket.send(deleteLinks(['br1', 'br2'])));
    expect(results).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_NOT_FOUND' } },
      { status: 'fulfilled' },
      { status: 'fulfilled' },
    ]);
    expect((await socket.request(listLinks())).map(({ name }) => name).toSorted()).toEqual(['br3', 'lo']);
    // One that cannot be deleted keeps all of them, where they are.
    await expect(socket.batch(deleteLinks(['br3', 'lo']))).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    expect((await socket.request(listLinks())).map(({ name }) => name).toSorted()).toEqual(['br3', 'lo']);
    expect(deleteLinks([])).toEqual([]);
  });

  test('any kind can be made by attribute numbers', async () => {
    const { socket, json } = testNetns(sys);
    // IFLA_GRE_REMOTE and the like of a kind this package has no table for: an ifb with one queue.
    await socket.request(addLink({ kind: 'ifb', name: 'generic', txQueues: 2, rxQueues: 2, data: { unknown: [] } }));
    expect(json('ip', '-j', '-d', 'link', 'show', 'dev', 'generic')).toMatchObject([
      { num_tx_queues: 2, linkinfo: { info_kind: 'ifb' } },
    ]);
  });
});
