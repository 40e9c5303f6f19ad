import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { living } from '../../test/living.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { testNetns, type TestNetns } from '../../test/netns.ts';
import { closing, testSys } from '../../test/sys.ts';
import { listSockets, NETLINK_SOCK_DIAG } from '../diag/index.ts';
import { NetlinkSocket } from '../netlink/index.ts';
import { setLink } from '../rtnl/index.ts';
import type { Sys } from '../sys/index.ts';
import { takeListeners, type TakenListener } from './listeners.ts';
import { openPidfd } from './pidfd.ts';
import { descendantsOf, socketsOf } from './proc.ts';

interface Listener {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

const script = join(import.meta.dirname, '../../test/listens.mjs');

/** A process that listens. @returns it, and what it says */
async function listening(
  command: readonly string[],
  listeners: readonly Listener[],
  ...more: string[]
): Promise<{ child: ReturnType<typeof living>; said: string }> {
  const [first = '', ...rest] = [...command, process.execPath, script, JSON.stringify(listeners), ...more];
  const child = living(first, ...rest);
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

async function inside(sys: Sys): Promise<TestNetns & { readonly enter: readonly string[] }> {
  const made = testNetns(sys);
  await made.socket.request(setLink('lo', { up: true }));
  return { ...made, enter: ['nsenter', `--net=/proc/${process.pid}/fd/${made.netns.fd}`] };
}

const summary = (taken: readonly TakenListener[]): unknown[] =>
  taken
    .map(({ socket: { protocol, family, local } }) => `${protocol} ${family} ${local.address} ${local.port}`)
    .toSorted();

function closeAll(taken: readonly TakenListener[]): void {
  for (const listener of taken) listener.close();
}

test('what is no process is refused', async () => {
  const sys = await testSys();
  const child = living('true');
  await once(child, 'exit');
  const gone = expect.objectContaining({ code: 'ERR_NOT_FOUND' });
  expect(() => openPidfd(sys, child.pid)).toThrow(gone);
  expect(() => socketsOf(child.pid)).toThrow(gone);
  expect(() => descendantsOf(child.pid)).toThrow(gone);
  await expect(takeListeners(sys, child.pid)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  for (const none of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });
    expect(() => openPidfd(sys, none)).toThrow(refused);
    expect(() => socketsOf(none)).toThrow(refused);
    expect(() => descendantsOf(none)).toThrow(refused);
  }
});

describeWith([root, tool('nsenter'), tool('setpriv')], 'listeners of another process', () => {
  const ALL: readonly Listener[] = [
    { protocol: 'tcp', address: '127.0.0.1', port: 81 },
    { protocol: 'tcp', address: '::1', port: 82 },
    { protocol: 'tcp', address: '::', port: 83 },
    { protocol: 'udp', address: '127.0.0.1', port: 53 },
    { protocol: 'udp', address: '::', port: 54 },
  ];

  test('are taken from its namespace, and are the same sockets', async () => {
    const sys = await testSys();
    const { enter, netns } = await inside(sys);
    const { child } = await listening(enter, ALL);
    const taken = await takeListeners(sys, child.pid, { protocols: ['tcp', 'udp'] });
    try {
      expect(summary(taken)).toEqual([
        'tcp ipv4 127.0.0.1 81',
        'tcp ipv6 :: 83',
        'tcp ipv6 ::1 82',
        'udp ipv4 127.0.0.1 53',
        'udp ipv6 :: 54',
      ]);
      expect(taken.map(({ socket }) => socket.local.port)).toEqual([53, 54, 81, 82, 83]);
      const theirs = new Set(socketsOf(child.pid).map(({ inode }) => inode));
      for (const { fd, pid, socket } of taken) {
        expect(pid).toBe(child.pid);
        expect(theirs).toContain(socket.inode);
        // getsockname: the port is in network byte order after the family.
        const name = new Uint8Array(28);
        expect(sys.call('getsockname', fd, name, Uint8Array.of(28, 0, 0, 0))).toBe(0);
        expect(new DataView(name.buffer).getUint16(2)).toBe(socket.local.port);
      }
    } finally {
      closeAll(taken);
    }
    expect(() => taken[0]?.fd).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    const some = await takeListeners(sys, child.pid, { ports: [83, 54], netns });
    expect(summary(some)).toEqual(['tcp ipv6 :: 83']);
    closeAll(some);
    expect(await takeListeners(sys, child.pid, { ports: [99] })).toEqual([]);
  });

  test('a listener ends with its process, unless it is kept', async () => {
    const sys = await testSys();
    const { enter, netns } = await inside(sys);
    const diag = closing(NetlinkSocket.open(sys, { netns, protocol: NETLINK_SOCK_DIAG }));
    const there = async (): Promise<number> =>
      (await diag.request(listSockets({ protocol: 'tcp', family: 'ipv4', states: ['listen'] }))).length;
    for (const kept of [false, true]) {
      const { child } = await listening(enter, [{ protocol: 'tcp', address: '127.0.0.1', port: 81 }]);
      using held = openPidfd(sys, child.pid);
      const taken = await takeListeners(sys, child.pid);
      expect(taken).toHaveLength(1);
      if (!kept) closeAll(taken);
      child.kill('SIGKILL');
      await held.exited();
      expect(await there()).toBe(kept ? 1 : 0);
      closeAll(taken);
      expect(await there()).toBe(0);
    }
  });

  test('a process of the same namespace, and sockets of another', async () => {
    const sys = await testSys();
    const { netns, enter } = await inside(sys);
    const { child } = await listening([], [{ protocol: 'tcp', address: '127.0.0.1', port: 0 }]);
    const [mine] = await takeListeners(sys, child.pid);
    expect(mine?.socket).toMatchObject({ family: 'ipv4', local: { address: '127.0.0.1' } });
    const port = mine?.socket.local.port ?? 0;
    mine?.close();
    const [answer] = (await once(connect(port, '127.0.0.1'), 'data')) as [Buffer];
    expect(answer.toString()).toBe('hello');
    // None of its sockets are of that namespace, where another process has the same port.
    await listening(enter, [{ protocol: 'tcp', address: '127.0.0.1', port }]);
    expect(await takeListeners(sys, child.pid, { netns })).toEqual([]);
  });

  test('one socket comes once, from the first who has it; heirs are asked where that is wanted', async () => {
    const sys = await testSys();
    const { enter } = await inside(sys);
    const two = ALL.filter(({ port }) => port === 81 || port === 82);
    const { child, said } = await listening(enter, two, 'inherit');
    const heir = Number(said.split(' ')[1]);
    expect(descendantsOf(child.pid)).toEqual([heir]);
    expect(socketsOf(heir)).toHaveLength(4);
    const [own, inherited, both] = [
      await takeListeners(sys, child.pid),
      await takeListeners(sys, heir),
      await takeListeners(sys, child.pid, { descendants: true }),
    ];
    const wanted = ['tcp ipv4 127.0.0.1 81', 'tcp ipv6 ::1 82'];
    for (const taken of [own, inherited, both]) {
      expect(summary(taken)).toEqual(wanted);
      closeAll(taken);
    }
    expect(new Set(inherited.map(({ pid }) => pid))).toEqual(new Set([heir]));
    expect(new Set(both.map(({ pid }) => pid))).toEqual(new Set([child.pid]));
    process.kill(heir, 'SIGKILL');
  });

  test('an ordinary user is told what is missing, and may still look whether it runs', () => {
    const child = living('sleep', 'infinity');
    const nobody = join(import.meta.dirname, '../../test/nobody.ts');
    const args = ['--conditions=@ambient/source', '--import', 'tsx', nobody, String(child.pid)];
    const refused = (errno: number): unknown => ({
      code: 'ERR_PERMISSION',
      errno,
      hint: expect.stringContaining('CAP_SYS_PTRACE') as string,
    });
    const { EPERM, EACCES } = constants.errno;
    expect(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))).toEqual({
      open: 1,
      running: true,
      takeFd: refused(EPERM),
      socketsOf: refused(EACCES),
      takeListeners: refused(EACCES),
      own: [],
      left: 1,
    });
  });
});

describeWith([root, tool('haproxy'), tool('nsenter')], 'listeners of HAProxy', () => {
  test('a master and its worker; sockets that share a port', async ({ signal }) => {
    const sys = await testSys();
    const { enter } = await inside(sys);
    const path = join(tempDir(), 'haproxy.cfg');
    writeFileSync(
      path,
      ['global', 'nbthread 2', 'defaults', 'mode tcp', 'timeout connect 1s', 'timeout client 1s', 'timeout server 1s']
        .concat(['listen a', 'bind 127.0.0.1:15001 transparent shards 2', 'server s 127.0.0.1:1'])
        .concat(['listen b', 'bind [::]:15006 v6only', 'server s 127.0.0.1:1', ''])
        .join('\n'),
    );
    const [first = '', ...rest] = [...enter, 'haproxy', '-q', '-W', '-f', path];
    const master = living(first, ...rest);
    const wanted = ['tcp ipv4 127.0.0.1 15001', 'tcp ipv4 127.0.0.1 15001', 'tcp ipv6 :: 15006'];
    const all = { ports: [15_001, 15_006], descendants: true };
    let taken: TakenListener[] = [];
    while (taken.length === 0 && !signal.aborted) {
      await sleep(20);
      taken = await takeListeners(sys, master.pid, all);
    }
    closeAll(taken);
    expect(summary(taken)).toEqual(wanted);
    expect(new Set(taken.map(({ socket }) => socket.inode)).size).toBe(3);
    expect(taken.map(({ socket: { transparent, v6only } }) => [transparent, v6only])).toEqual([
      [true, undefined],
      [true, undefined],
      [false, true],
    ]);
    const [worker = 0] = descendantsOf(master.pid);
    const ofWorker = await takeListeners(sys, worker, { ports: all.ports });
    closeAll(ofWorker);
    expect(summary(ofWorker)).toEqual(wanted);
  });
});
