import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { describeWith, root } from '../test/support/needs.ts';

function run(example: string, ...args: string[]): string {
  const command = ['--conditions=@ambient/source', '--import', 'tsx', `examples/${example}.ts`, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
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
