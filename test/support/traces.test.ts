import { addQdisc, setLink } from 'netlink-tc';
import { expect, test } from 'vitest';
import { testPair } from '../../packages/netlink-tc/test/netns.ts';
import { testSys } from '../../packages/netlink-tc/test/sys.ts';
import { describeWith, root, tool } from './needs.ts';
import { difference } from './residue.ts';
import { traces } from './traces.ts';

describeWith([root, tool('ip'), tool('tc')], 'how a namespace is set up', () => {
  test('shows each kind of thing that was changed, and nothing else', async () => {
    const { netns, socket, run } = await testPair(await testSys());
    const path = `/proc/${process.pid}/fd/${netns.fd}`;
    // Or an address comes by itself some time later.
    run('sh', '-c', 'for i in v0 v1; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done');
    await socket.request(setLink('lo', { up: true }));
    const before = traces(path);
    expect(difference(before, traces(path))).toEqual([]);
    run('ip', 'rule', 'add', 'fwmark', '0x7', 'lookup', '77');
    run('ip', '-6', 'route', 'add', 'local', '2001:db8::/64', 'dev', 'lo', 'table', '77');
    await socket.request(addQdisc({ device: 2, kind: 'clsact' }));
    run(...('tc filter add dev v0 egress prio 9 protocol all u32 match u32 0 0 classid 1:1'.split(' ') as [string]));
    run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/v0/route_localnet');
    const found = difference(before, traces(path)).filter((line) => line.startsWith('+'));
    for (const pattern of [
      /rule ipv4 .*fwmark 0x7 lookup 77/,
      /route ipv6 local 2001:db8::\/64 .*table 77/,
      /qdisc clsact .* dev v0/,
      /v0 egress filter .*pref 9 u32/,
      /v0\/route_localnet:1/,
    ])
      expect(found).toContainEqual(expect.stringMatching(pattern));
    run('ip', 'rule', 'del', 'fwmark', '0x7');
    run('ip', '-6', 'route', 'flush', 'table', '77');
    run('tc', 'qdisc', 'del', 'dev', 'v0', 'clsact');
    run('sh', '-c', 'echo 0 > /proc/sys/net/ipv4/conf/v0/route_localnet');
    expect(difference(before, traces(path))).toEqual([]);
  });
});
