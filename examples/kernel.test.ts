import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mainCommand } from '../test/support/main-command.ts';
import { describeWith, root } from '../test/support/needs.ts';

const EXPECTED = {
  'load-and-run': [
    'EtherType 0x86dd',
    'refused: At program exit the register R0 has',
    'examples/load-and-run.ts:15: return ret(7);',
    'advice: the program can end without a result, or with one out of the allowed range',
  ],
  counter: ['    0 bytes and more:    300 packets', ' 1536 bytes and more:   4800 packets'],
  'ring-buffer': ['packet of 64 bytes, mark 0', 'packet of 1500 bytes', '0 dropped'],
  'hash-map': [
    'one: { packets: 3n, bytes: 192n, mark: 7 }',
    'none: undefined',
    'refused: the key is there',
    'all packets: 498504n',
    'deleted: 1',
    'taken out: 999',
  ],
} as const;

describeWith([root], 'the example', () => {
  test.each(Object.entries(EXPECTED))('%s does what it says', (name, lines) => {
    // From the sources, as users run it: what the verifier refuses is told by their lines.
    const args = ['--conditions=@ambient/source', '--import', 'tsx', join(import.meta.dirname, `${name}.ts`)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    for (const line of lines) expect(stdout).toContain(line);
    expect(status).toBe(0);
  });

  test.each(Object.keys(EXPECTED))('%s tells an ordinary user in one line to be root', (name) => {
    const [node, main] = mainCommand(new URL(`${name}.ts`, import.meta.url));
    const user = { uid: 65534, gid: 65534, env: { ...process.env, HOME: '/nonexistent' } };
    const { status, stdout, stderr } = spawnSync(node, [main], { encoding: 'utf8', ...user });
    expect(stderr).toMatch(/^run it as root: sudo .*\n$/);
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });
});
