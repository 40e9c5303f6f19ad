import { exit, mov64 } from 'bpf-asm';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { testNetns, type TestNetns } from '../../test/netns.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { testVeth } from '../../test/veth.ts';
import { addLink, getLink } from '../rtnl/index.ts';
import type { Sys } from '../sys/index.ts';
import type { Order } from './anchor.ts';
import { attachNetkit, attachTcx } from './attach.ts';
import { LINK_CREATE, LINK_CREATE_ORDERED_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND } from './command.ts';
import { createProbes } from './probe.ts';
import { lacks } from '../../test/kernel.ts';
import { loadProgram } from './program-load.ts';
import type { BpfProgram } from './program.ts';
import { queryHook } from './query.ts';

const BPF_F_REPLACE = 1 << 2;
const BPF_F_LINK = 1 << 13;
/** `BPF_TCX_INGRESS` of `enum bpf_attach_type`. */
const TCX_INGRESS = 46;

const NETKIT_PAIR = addLink({ kind: 'netkit', name: 'nk0', data: { mode: 'l3' }, peer: { name: 'nk1' } });

function program(sys: Sys, name: string): BpfProgram {
  return closing(loadProgram(sys, programOf([mov64('r0', -1), exit()], { name })));
}

/** What the probe's "no" says must be so: there is neither such a device nor the hook. */
async function expectNoNetkit(sys: Sys, { netns, socket }: TestNetns): Promise<void> {
  await expect(socket.request(NETKIT_PAIR)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  const attach = (): unknown => netns.run(() => attachNetkit(sys, program(sys, 'none'), 1, 'primary'));
  expect(attach).toThrow(/this kernel has no netkit_primary.*netkit is of Linux 6.7/);
}

async function expectNetkit(sys: Sys, { netns, socket }: TestNetns): Promise<void> {
  const [first, second] = [program(sys, 'first'), program(sys, 'second')];
  await socket.request(NETKIT_PAIR);
  const { index } = await socket.request(getLink('nk0'));
  netns.run(() => {
    const primary = closing(attachNetkit(sys, first, index, 'primary'));
    const head = closing(attachNetkit(sys, second, index, 'primary', { order: 'head' }));
    const peer = closing(attachNetkit(sys, first, index, 'peer'));
    expect(primary.info()).toMatchObject({ type: 'netkit', attachType: 'netkit_primary', ifindex: index });
    const at = (attachType: 'netkit_primary' | 'netkit_peer'): number[] =>
      queryHook(sys, { target: index, attachType }).entries.map(({ linkId }) => linkId);
    expect(at('netkit_primary')).toEqual([head.info().id, primary.info().id]);
    expect(at('netkit_peer')).toEqual([peer.info().id]);
    expect(peer.info().attachType).toBe('netkit_peer');
  });
}

describeWith([root], 'attaching', () => {
  test('netkit: both ends of a pair where the kernel has such pairs, refused where not', async () => {
    const sys = await testSys();
    const isThere = createProbes(sys).link('netkit').answer === 'yes';
    await (isThere ? expectNetkit : expectNoNetkit)(sys, testNetns(sys));
    expect.hasAssertions();
  });

  test('a link is never made in the place of another: the kernel refuses it, and the error says what to do', async () => {
    const sys = await testSys();
    if (lacks(createProbes(sys).link('tcx'))) return;
    const { ifindex } = testVeth();
    const [old, next] = [program(sys, 'old'), program(sys, 'next')];
    const link = closing(attachTcx(sys, old, ifindex, 'ingress'));
    const create = (flags: number, relative: number): number => {
      const attr = new Attr(sys, LINK_CREATE_ORDERED_SIZE)
        .u32(LINK_CREATE.prog_fd, next.fd)
        .u32(LINK_CREATE.target_fd, ifindex)
        .u32(LINK_CREATE.attach_type, TCX_INGRESS)
        .u32(LINK_CREATE.flags, flags)
        .u32(LINK_CREATE.relative_fd, relative);
      return sys.bpf(BPF_COMMAND.BPF_LINK_CREATE, attr.bytes);
    };
    expect(create(BPF_F_REPLACE, old.fd)).toBe(-constants.errno.ENOENT);
    expect(create(BPF_F_REPLACE | BPF_F_LINK, link.fd)).toBe(-constants.errno.ENOENT);
    const order = { replace: { link } } as unknown as Order;
    expect(() => attachTcx(sys, next, ifindex, 'ingress', { order })).toThrow(/link\.update\(program\)/);
    link.update(next, { expected: old });
    expect(queryHook(sys, { target: ifindex, attachType: 'tcx_ingress' }).entries).toHaveLength(1);
  });
});
