import { createAnonymousNetns } from 'netlink-tc';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync, unlinkSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { openPodNetns, pathOfNetns } from './pod-netns.ts';

test('the path by which a namespace can be found again', () => {
  expect(pathOfNetns(undefined)).toBeUndefined();
  expect(pathOfNetns({ fd: 7 })).toBe(`/proc/${process.pid}/fd/7`);
  expect(pathOfNetns({ path: '/run/netns/a' })).toBe('/run/netns/a');
  expect(pathOfNetns({ pid: 4711 })).toBe('/proc/4711/ns/net');
});

describeWith([root, tool('nsenter')], 'the namespace of a pod', () => {
  test('is found by its path, else by a process in it, and is never another', async () => {
    const sys = await testSys();
    const [mine, other] = [closing(createAnonymousNetns(sys)), closing(createAnonymousNetns(sys))];
    const inode = String(mine.inode);
    const find = (path: string | undefined, of: string | undefined = inode): string | undefined => {
      using found = openPodNetns(sys, of, path);
      return found === undefined ? undefined : String(found.inode);
    };
    const own = `/proc/${process.pid}/fd/${mine.fd}`;
    const foreign = `/proc/${process.pid}/fd/${other.fd}`;
    expect(find(own)).toBe(inode);
    // Nobody is in it yet.
    for (const path of [undefined, foreign, '/nowhere', `/proc/${process.pid}/fd/999999`])
      expect(find(path)).toBeUndefined();
    const child = spawn('nsenter', [`--net=${own}`, '--', 'sh', '-c', 'echo in; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    for (const path of [undefined, foreign, '/nowhere', own]) expect(find(path)).toBe(inode);
    expect(openPodNetns(sys, undefined, own)).toBeUndefined();
    expect(find(undefined, String(other.inode))).toBeUndefined();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(find(undefined)).toBeUndefined();
  });

  test('a path that leads elsewhere by now does not lead astray', async () => {
    const sys = await testSys();
    const [mine, other] = [closing(createAnonymousNetns(sys)), closing(createAnonymousNetns(sys))];
    const path = `${tempDir()}/netns`;
    symlinkSync(`/proc/${process.pid}/fd/${mine.fd}`, path);
    using found = openPodNetns(sys, String(mine.inode), path);
    expect(found?.inode).toBe(mine.inode);
    unlinkSync(path);
    symlinkSync(`/proc/${process.pid}/fd/${other.fd}`, path);
    expect(openPodNetns(sys, String(mine.inode), path)).toBeUndefined();
  });
});
