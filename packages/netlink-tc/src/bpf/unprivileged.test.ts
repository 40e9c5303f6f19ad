import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';

const script = fileURLToPath(new URL('../../test/unprivileged.ts', import.meta.url));
const NOBODY = '65534';

describeWith([root], 'an ordinary user', () => {
  test('is told what is missing, by every entry', () => {
    const disabled = readFileSync('/proc/sys/kernel/unprivileged_bpf_disabled', 'utf8').trim();
    expect(disabled, 'kernel.unprivileged_bpf_disabled').not.toBe('0');
    const args = ['--conditions=@ambient/source', '--import', 'tsx', script, NOBODY];
    const answers = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Record<string, unknown>;
    const refused = (words: string): unknown => ({
      code: 'ERR_PERMISSION',
      hint: expect.stringContaining(words) as string,
    });
    expect(answers).toEqual({
      createMap: refused('lacks CAP_BPF'),
      createSockmap: refused('lacks CAP_BPF and CAP_NET_ADMIN'),
      loadProgram: refused('lacks CAP_BPF and CAP_NET_ADMIN'),
      loadBtf: refused('lacks CAP_BPF'),
      objectIds: refused('lacks CAP_SYS_ADMIN'),
      openById: refused('lacks CAP_SYS_ADMIN'),
      queryHook: refused('lacks CAP_NET_ADMIN'),
      mount: refused('CAP_SYS_ADMIN'),
      probe: ['unknown', 'unknown', 'unknown'],
    });
  });
});
