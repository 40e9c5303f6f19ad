import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { kernelAtLeast } from '../../test/kernel.ts';
import { testSys } from '../../test/sys.ts';
import { ensureBpffs } from './pin.ts';

const script = fileURLToPath(new URL('../../test/unprivileged.ts', import.meta.url));
const NOBODY = '65534';
const NO_SOCKMAP_LINK = {
  code: 'ERR_SYSCALL',
  hint: 'this kernel may have no sockmap links (6.10): attach the program without one',
};

describeWith([root], 'an ordinary user', () => {
  test('is told what is missing, by every entry', async () => {
    const disabled = readFileSync('/proc/sys/kernel/unprivileged_bpf_disabled', 'utf8').trim();
    expect(disabled, 'kernel.unprivileged_bpf_disabled').not.toBe('0');
    const cgroup = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) => existsSync(`${path}/cgroup.procs`));
    ensureBpffs(await testSys(), '/sys/fs/bpf');
    const pins = `/sys/fs/bpf/netlink_tc_unprivileged_${process.pid}`;
    mkdirSync(pins);
    onTestFinished(() => rmSync(pins, { recursive: true }));
    const args = ['--conditions=@ambient/source', '--import', 'tsx', script, NOBODY, cgroup ?? '', pins];
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
      attachCgroup: refused('lacks CAP_BPF and CAP_NET_ADMIN'),
      pin: refused('the user 65534 may not'),
      openPinned: refused('the user 65534 may not'),
      openPerfReader: refused('lacks CAP_PERFMON'),
      mount: refused('CAP_SYS_ADMIN'),
      // The kernel asks no more of who holds the descriptor of a program or map (since 5.19): it was loading that took the privilege.
      attachTcx: kernelAtLeast('6.6') ? 'done' : { code: 'ERR_SYSCALL' },
      attachXdp: 'done',
      attachNetns: 'done',
      attachSockmap: kernelAtLeast('6.10') ? 'done' : NO_SOCKMAP_LINK,
      attachProgram: 'done',
      testRun: 'done',
      benchmarkProgram: 'done',
      openRingBuffer: 'done',
      probe: ['unknown', 'unknown', 'unknown'],
    });
  });
});
