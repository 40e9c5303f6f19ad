import { BPF_COMMAND, findBpffs, setLink, type Sys } from 'netlink-tc';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { expect, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { without } from '../../test/proxy-lab.ts';
import { settingsOf } from '../engine/options.ts';
import { selfTest } from './self-test.ts';
import { TestNetwork } from './test-network.ts';

vi.setConfig({ testTimeout: 300_000 });

/** What self-tests of this process have in bpffs. */
function directories(): string[] {
  return findBpffs().flatMap((path) =>
    readdirSync(path).filter((name) => name.startsWith(`ambient-doctor-${process.pid}-`)),
  );
}

/** The kernel, but that no socket is made transparent (`IP_TRANSPARENT`), though it says so. */
function opaque(sys: Sys): Sys {
  const isTransparent = (level: unknown, option: unknown): boolean => level === 0 && option === 19;
  return {
    ...sys,
    call: (name, fd, level, option, ...rest) =>
      name === 'setsockopt' && isTransparent(level, option) ? 0 : sys.call(name, fd, level, option, ...rest),
  };
}

describeWith([root], 'the self-test', () => {
  test.each([
    ['tcx', 'sk_lookup'],
    ['clsact', 'tproxy'],
  ] as const)('by %s and %s: connections are redirected both ways, and nothing stays', async (attach, steer) => {
    const sys = await testSys();
    if (attach === 'tcx' && lacksTcx(sys)) return;
    const found = await selfTest(sys, settingsOf({ attach, steer }));
    expect(found).toMatchObject({ code: 'self-test-passed', severity: 'ok' });
    expect(found.evidence).toEqual([
      `steering by ${steer}: it is asked for`,
      `programs attached by ${attach}`,
      'pod to stranger, ipv4: outbound 198.18.0.2 to 198.18.0.3',
      'stranger to pod, ipv4: plaintext 198.18.0.3 to 198.18.0.2',
      'pod to stranger, ipv6: outbound 2001:2::2 to 2001:2::3',
      'stranger to pod, ipv6: plaintext 2001:2::3 to 2001:2::2',
      expect.stringMatching(/^it took \d+\.\d s$/),
    ]);
    expect(directories()).toEqual([]);
    expect(sys.fds.open()).toEqual([]);
  });

  test('what new namespaces take over of a hardened node does it no harm', async () => {
    const sys = await testSys();
    const seen = new Set([readlinkSync('/proc/thread-self/ns/net')]);
    const hardened: Sys = {
      ...sys,
      call: (name, ...args) => {
        const netns = name === 'socket' ? readlinkSync('/proc/thread-self/ns/net') : '';
        // The first socket of a namespace: before anything is settled in it.
        if (name === 'socket' && !seen.has(netns)) {
          for (const which of ['all', 'default']) {
            const settings = {
              arp_ignore: '2',
              arp_announce: '2',
              arp_filter: '1',
              rp_filter: '1',
              accept_redirects: '0',
            };
            for (const [setting, value] of Object.entries(settings))
              writeFileSync(`/proc/sys/net/ipv4/conf/${which}/${setting}`, value);
          }
          seen.add(netns);
        }
        return sys.call(name, ...args);
      },
    };
    expect(await selfTest(hardened, settingsOf({}))).toMatchObject({ code: 'self-test-passed' });
    expect(seen.size).toBe(5);
  });

  test('other ports, priority and routing of an engine', async () => {
    const sys = await testSys();
    const settings = settingsOf({
      attach: 'clsact',
      steer: 'tproxy',
      priority: 77,
      ports: { outbound: 25_001, plaintext: 25_006 },
      routing: { table: 4711, priority: 99, mark: { value: 0x10, mask: 0xf0 } },
    });
    expect(await selfTest(sys, settings)).toMatchObject({ code: 'self-test-passed' });
  });

  test('a connection that is not answered', async () => {
    const sys = await testSys();
    const found = await selfTest(opaque(sys), settingsOf({}));
    expect(found).toMatchObject({ code: 'self-test-not-captured', severity: 'error' });
    expect(found.evidence).toContain('pod to stranger, ipv4: no answer in 8 s');
    expect(directories()).toEqual([]);
  });

  test('what the kernel refuses is the evidence, and nothing stays', async () => {
    const sys = await testSys();
    const refused = without(sys, 'pidfd_getfd', constants.errno.EPERM);
    const found = await selfTest(refused, settingsOf({ steer: 'sk_lookup' }));
    expect(found).toMatchObject({ code: 'self-test-failed', severity: 'error' });
    expect(found.evidence[0]).toMatch(/^ERR_PERMISSION: .*pidfd_getfd/);
    // Left to itself the engine steers in the other way, and that works.
    expect((await selfTest(refused, settingsOf({}))).evidence[0]).toMatch(/^steering by tproxy: .*EPERM/);
    expect(directories()).toEqual([]);
  });

  test('an engine that cannot be opened leaves nothing', async () => {
    const sys = await testSys();
    let maps = 0;
    const refused: Sys = {
      ...sys,
      bpf: (command, ...rest) => {
        if (command === BPF_COMMAND.BPF_MAP_CREATE) maps += 1;
        return command === BPF_COMMAND.BPF_MAP_CREATE && maps > 5 ? -constants.errno.EPERM : sys.bpf(command, ...rest);
      },
    };
    const found = await selfTest(refused, settingsOf({}));
    expect(found).toMatchObject({
      code: 'self-test-failed',
      evidence: [expect.stringMatching(/^ERR_PERMISSION: /), expect.any(String)],
    });
    expect(directories()).toEqual([]);
  });

  test('a connection that is waited for is given up when it is asked to end', async () => {
    const sys = await testSys();
    const network = await TestNetwork.create(sys);
    try {
      const { pod, stranger } = network;
      // Nobody answers: who has the address is not found.
      await stranger.socket.request(setLink('eth0', { up: false }));
      const controller = new AbortController();
      const asked = network.ask(pod, stranger.addresses.ipv4, controller.signal);
      controller.abort();
      expect(await asked).toBe('it was ended before');
      expect(await network.ask(pod, stranger.addresses.ipv4, controller.signal)).toBe('it was ended before');
    } finally {
      await network.close();
    }
  });

  test('it ends when it is asked to', async () => {
    const sys = await testSys();
    const reason = new Error('enough');
    await expect(selfTest(sys, settingsOf({}), AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(directories()).toEqual([]);
  });
});
