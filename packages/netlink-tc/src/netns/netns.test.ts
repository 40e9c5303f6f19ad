import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { isNetlinkTcError } from '../error.ts';
import { createFakeSys, openSys, type Sys } from '../sys/index.ts';
import { createAnonymousNetns, createNetns, deleteNetns } from './create.ts';
import { currentNetns, netnsNames, netnsPath, openNetns, referencePath } from './netns.ts';

const { EPERM, ENOENT } = constants.errno;
const here = (): string => readlinkSync('/proc/thread-self/ns/net');

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test.each(['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256)])('%j is no name', (name) => {
  expect(
    isNetlinkTcError(
      thrown(() => netnsPath(name)),
      'ERR_INVALID_ARGUMENT',
    ),
  ).toBe(true);
});

test('references become paths', () => {
  expect(referencePath({ name: 'a' })).toBe('/run/netns/a');
  expect(referencePath({ pid: 7 })).toBe('/proc/7/ns/net');
  expect(referencePath({ path: '/x' })).toBe('/x');
  expect(referencePath({ fd: 0 })).toBe('/proc/self/fd/0');
  expect(() => referencePath({ pid: -1 })).toThrow(/no process id/);
  expect(() => referencePath({ fd: -1 })).toThrow(/no descriptor/);
});

test('refusals name the capability; the old namespace is closed again', () => {
  const sys = createFakeSys({
    answer: (name) => (name === 'openat' ? 5 : name === 'setns' || name === 'unshare' ? -EPERM : -ENOENT),
  });
  const netns = openNetns(sys, { path: '/x' });
  const calls = sys.calls.length;
  expect(() => netns.run(() => 1)).toThrow(/EPERM from setns; it needs CAP_SYS_ADMIN/);
  expect(sys.calls.slice(calls).map(({ name }) => name)).toEqual(['openat', 'setns', 'close']);
  expect(() => createAnonymousNetns(sys)).toThrow(/come back: EPERM from setns; it needs CAP_SYS_ADMIN/);
  const home = createFakeSys({ answer: (name) => (name === 'openat' ? 5 : name === 'unshare' ? -EPERM : 0) });
  expect(() => createAnonymousNetns(home)).toThrow(/EPERM from unshare; it needs CAP_SYS_ADMIN/);
});

describeWith([root, tool('ip')], 'network namespaces of the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys({ traceFds: true });
  });
  const unique = (word: string): string => `nltc-${word}-${process.pid}`;

  // Making one waits while the kernel takes others' apart.
  test('names made here are those of ip netns, and the other way round', { timeout: 300_000 }, () => {
    const [ours, theirs] = [unique('ours'), unique('theirs')];
    const before = here();
    const netns = createNetns(sys, ours);
    onTestFinished(() => netns.close());
    execFileSync('ip', ['netns', 'add', theirs]);
    expect(here()).toBe(before);
    expect(netnsNames()).toEqual(expect.arrayContaining([ours, theirs]));
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).toContain(ours);
    const other = openNetns(sys, { name: theirs });
    expect(other.run(here)).toBe(`net:[${other.inode}]`);
    expect(
      execFileSync('ip', ['netns', 'exec', ours, 'readlink', '/proc/self/ns/net'], { encoding: 'utf8' }).trim(),
    ).toBe(`net:[${netns.inode}]`);
    expect(
      isNetlinkTcError(
        thrown(() => createNetns(sys, theirs)),
        'ERR_EXISTS',
      ),
    ).toBe(true);
    other.close();
    deleteNetns(sys, theirs);
    execFileSync('ip', ['netns', 'del', ours]);
    expect(netnsNames()).not.toContain(theirs);
    expect(
      isNetlinkTcError(
        thrown(() => deleteNetns(sys, theirs)),
        'ERR_NOT_FOUND',
      ),
    ).toBe(true);
    expect(
      isNetlinkTcError(
        thrown(() => openNetns(sys, { name: ours })),
        'ERR_NOT_FOUND',
      ),
    ).toBe(true);
  });

  test('a block runs inside, and the thread is back after it, also when it throws', () => {
    using netns = createAnonymousNetns(sys);
    const before = here();
    expect(netns.run(here)).toBe(`net:[${netns.inode}]`);
    expect(before).not.toBe(`net:[${netns.inode}]`);
    expect(() =>
      netns.run(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(here()).toBe(before);
    expect(() => netns.run(async () => 1)).toThrow(/returned a promise/);
    expect(here()).toBe(before);
    using same = currentNetns(sys);
    expect(`net:[${same.inode}]`).toBe(before);
  });

  test('the same namespace by path, descriptor and process; the handle outlives what it was opened by', () => {
    const netns = createAnonymousNetns(sys);
    const { inode } = netns;
    const handles = [openNetns(sys, { fd: netns.fd }), openNetns(sys, { path: `/proc/self/fd/${netns.fd}` })];
    netns.close();
    expect(handles.map((handle) => handle.inode)).toEqual([inode, inode]);
    expect(handles.map((handle) => handle.run(here))).toEqual([`net:[${inode}]`, `net:[${inode}]`]);
    const child = spawn('nsenter', [`--net=/proc/${process.pid}/fd/${handles[0]?.fd}`, 'sleep', '60']);
    onTestFinished(() => void child.kill('SIGKILL'));
    return expect
      .poll(() => {
        using byPid = openNetns(sys, { pid: child.pid ?? 0 });
        return byPid.inode;
      })
      .toBe(inode)
      .finally(() => {
        for (const handle of handles) handle.close();
      });
  });

  test('a socket opened inside belongs there: the same port is free outside', async () => {
    using netns = createAnonymousNetns(sys);
    const listen = (): number => {
      const fd = sys.call('socket', 2, 1, 0);
      // AF_INET, port 8, any address; then listen.
      const address = Uint8Array.of(2, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
      expect(sys.call('bind', fd, address, 16)).toBe(0);
      return fd;
    };
    const inside = createServer();
    await new Promise<void>((resolve) => void inside.listen({ fd: netns.run(listen) }, resolve));
    const outside = sys.fds.own(listen(), 'socket outside');
    outside.close();
    await new Promise((resolve) => void inside.close(resolve));
  });

  test('a process that cannot come back is killed at once', () => {
    const script = `
      import { openSys } from ${JSON.stringify(new URL('../sys/index.ts', import.meta.url).href)};
      import { createAnonymousNetns } from ${JSON.stringify(new URL('./create.ts', import.meta.url).href)};
      const sys = await openSys();
      process.on('exit', () => console.log('exit handlers ran'));
      let calls = 0;
      const broken = { ...sys, call: (name, ...args) => (name === 'setns' && calls++ === 1 ? -1 : sys.call(name, ...args)) };
      try { createAnonymousNetns(broken); } finally { console.log('went on'); }
    `;
    const { signal, stdout, stderr } = spawnSync(
      process.execPath,
      ['--conditions=@ambient/source', '--import', 'tsx', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    expect({ signal, stdout }).toEqual({ signal: 'SIGKILL', stdout: '' });
    expect(stderr).toContain('setns back to the old network namespace failed (errno 1)');
  });

  test('in a user namespace, from which no way leads back, none is made', () => {
    const script = `
      import { openSys } from ${JSON.stringify(new URL('../sys/index.ts', import.meta.url).href)};
      import { createAnonymousNetns } from ${JSON.stringify(new URL('./create.ts', import.meta.url).href)};
      const sys = await openSys();
      try { createAnonymousNetns(sys); } catch (error) { console.log(error.code, error.syscall); }
    `;
    const { status, stdout } = spawnSync(
      'unshare',
      ['-Ur', process.execPath, '--conditions=@ambient/source', '--import', 'tsx', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ERR_PERMISSION setns\n' });
  });

  test('nothing is left open', () => {
    expect(sys.fds.open()).toEqual([]);
  });
});
