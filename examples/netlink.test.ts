import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { mainCommand } from '../test/support/main-command.ts';
import { describeWith, root } from '../test/support/needs.ts';

function run(example: string, ...args: string[]): string {
  const [node, main] = mainCommand(new URL(`${example}.ts`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(node, [main, ...args], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

test.runIf(process.platform === 'linux')('the link monitor tells what is there, and ends', () => {
  expect(run('link-monitor', '200')).toMatch(/existing: 1 lo \(hardware\)[^]*watching \d+ links/);
});

describeWith([root], 'examples that change namespaces of their own', () => {
  test('the tour of network namespaces', () => {
    const text = run('netns-tour');
    expect(text).toContain('route 0.0.0.0/0 via 192.0.2.2');
    expect(text).toContain('a block ran in the right namespace\nand this thread is back');
  });

  test('a classifier reports lengths and TTLs', () => {
    expect(run('packet-reports').split('\n').slice(1)).toEqual([
      'IPv4 packet of 64 bytes, TTL 64',
      'IPv4 packet of 600 bytes, TTL 7',
      'IPv4 packet of 1400 bytes, TTL 255',
      '',
    ]);
  });

  test('virtual addresses of a tunnel are shut, for both families', () => {
    expect(run('vip-drop').split('\n').slice(1)).toEqual([
      'arrived: 10.96.0.2, fd00:96::2, 10.96.0.3, fd00:96::3',
      '10.96.0.1 in tunnel 5: 1 dropped',
      '10.96.0.2 in tunnel 5: 0 dropped',
      'fd00:96::1 in tunnel 5: 1 dropped',
      'fd00:96::2 in tunnel 5: 0 dropped',
      '',
    ]);
  });

  test.each(['netns-tour', 'packet-reports', 'vip-drop', 'tc-chain'])(
    '%s tells an ordinary user to be root',
    (name) => {
      const [node, main] = mainCommand(new URL(`${name}.ts`, import.meta.url));
      const user = { uid: 65534, gid: 65534, env: { ...process.env, HOME: '/nonexistent' } };
      const { status, stdout, stderr } = spawnSync(node, [main], { encoding: 'utf8', ...user });
      expect({ status, stdout, stderr }).toEqual({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(/^run it as root: sudo .*\n$/),
      });
    },
  );

  test('the chain of a hook', () => {
    const [okFilter = '', pipeFilter = '', okTcx = '', pipeTcx = ''] = run('tc-chain')
      .split(/^two that .*$/m)
      .slice(1);
    expect(okFilter).toMatch(/1: clsact .* tc2ok .*never reached: entry 0/);
    expect(pipeFilter).not.toContain('never reached');
    expect(okTcx).toMatch(/1: tcx .* tc2ok .*never reached: entry 0/);
    expect(pipeTcx).toMatch(/0: tcx .* returns pipe -> leave\n.*1: tcx .* tc2pipe .*never reached: entry 0/);
  });
});
