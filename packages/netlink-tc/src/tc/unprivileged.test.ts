import { exit, mov64 } from 'bpf-asm';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { silentPair } from '../../test/hook.ts';
import { lacksTcx } from '../../test/kernel.ts';
import { programOf } from '../../test/program.ts';
import { closing, testSys } from '../../test/sys.ts';
import { loadProgram } from '../bpf/index.ts';
import { NetlinkSocket } from '../netlink/index.ts';
import { createAnonymousNetns, createNetns, deleteNetns, netnsNames } from '../netns/index.ts';
import {
  addAddress,
  addLink,
  addNeighbour,
  addRoute,
  addRule,
  deleteLink,
  listLinks,
  setLink,
  setNetnsId,
} from '../rtnl/index.ts';
import { attach, type TcAttachment } from './attach.ts';
import { addFilter } from './filter.ts';
import { addQdisc } from './qdisc.ts';

const NOBODY = 65534;

const REFUSED = { code: 'ERR_PERMISSION', errno: 1, hint: expect.stringContaining('CAP_NET_ADMIN') as string };

/** By clsact, it takes a capability. */
async function expectRefused(attaching: Promise<TcAttachment>): Promise<void> {
  await expect(attaching).rejects.toMatchObject(REFUSED);
}

/** By tcx, the kernel asks no more of who holds the program's descriptor: it was loading that took the privilege. */
async function expectAllowed(attaching: Promise<TcAttachment>): Promise<void> {
  const attachment = await attaching;
  expect(attachment.mode).toBe('tcx');
  await attachment.detach();
}

describeWith([root, tool('ip'), tool('sysctl')], 'an ordinary user', () => {
  test('is told which capability is missing, and may still read', async () => {
    const sys = await testSys();
    const all = await silentPair(sys);
    const program = closing(loadProgram(sys, programOf([mov64('r0', 0), exit()])));
    const name = `nltc-nobody-${process.pid}`;
    createNetns(sys, name).close();
    onTestFinished(() => deleteNetns(sys, name));
    const expectAuto = lacksTcx(sys) ? expectRefused : expectAllowed;
    process.seteuid?.(NOBODY);
    try {
      using socket = NetlinkSocket.open(sys);
      const lo = 1;
      const admin = [
        addLink({ kind: 'bridge', name: 'x' }),
        setLink(lo, { up: true }),
        deleteLink(lo),
        addAddress({ device: lo, address: '10.0.0.1/32' }),
        addRoute({ destination: '10.0.0.0/8', device: lo }),
        addRule({ family: 'ipv4', table: 100 }),
        addNeighbour({ device: lo, address: '10.0.0.2', linkAddress: '02:00:00:00:00:01' }),
        addQdisc({ device: lo, kind: 'clsact' }),
        addFilter({ device: lo, parent: 'ingress', kind: 'bpf', options: { fd: program.fd, name: 'x', flags: 1 } }),
      ];
      const place = { device: lo, direction: 'ingress', name: 'x' } as const;
      for (const request of admin) await expect(socket.request(request), request.what).rejects.toMatchObject(REFUSED);
      await expect(attach(sys, socket, program, { ...place, mode: 'clsact' })).rejects.toMatchObject(REFUSED);
      await expect(socket.request(setNetnsId(all.netns, 4))).rejects.toMatchObject({ code: 'ERR_PERMISSION' });
      expect(await socket.request(listLinks())).not.toEqual([]);
      const admins = { code: 'ERR_PERMISSION', hint: expect.stringContaining('CAP_SYS_ADMIN') as string };
      expect(() => all.netns.run(() => 1)).toThrow(expect.objectContaining(admins));
      expect(() => createAnonymousNetns(sys)).toThrow(expect.objectContaining(admins));
      expect(() => createNetns(sys, `${name}-2`)).toThrow(expect.objectContaining(admins));
      expect(() => deleteNetns(sys, name)).toThrow(expect.objectContaining(admins));
      expect(netnsNames()).toContain(name);
      await expectAuto(attach(sys, socket, program, place));
    } finally {
      process.seteuid?.(0);
    }
  });
});
