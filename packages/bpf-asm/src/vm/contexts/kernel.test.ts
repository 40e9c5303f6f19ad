import { expect, it } from 'vitest';
import { describeWith, root } from '../../../../../test/support/needs.ts';
import { loadProgram } from '../../../test/kernel.ts';
import {
  ATTACH_TYPE,
  call,
  exit,
  jne,
  ldxb,
  ldxdw,
  ldxh,
  ldxw,
  mov64,
  PROGRAM_TYPE,
  stb,
  stdw,
  sth,
  stw,
  type AttachType,
  type ProgramType,
} from '../../asm/index.ts';
import { encode, type Instruction } from '../../isa/index.ts';
import { allowedField } from './context-layout.ts';
import { SK_BUFF, SK_LOOKUP, SK_MSG, SOCK, SOCK_ADDR, SOCK_OPS, XDP_MD, type ContextLayout } from './index.ts';

const LOADS = { 1: ldxb, 2: ldxh, 4: ldxw, 8: ldxdw } as const;
const STORES = { 1: stb, 2: sth, 4: stw, 8: stdw } as const;
const SIZES = [1, 2, 4, 8] as const;

/** Whether the verifier takes a program that does this one access to its context, for one of the attach types at least. */
function verifierAllows(type: ProgramType, attachTypes: readonly number[], ...body: Instruction[]): boolean {
  const code = encode([...body, mov64('r0', 1), exit()]);
  return attachTypes.some((attachType) => {
    const program = loadProgram(code, { type: PROGRAM_TYPE[type], licence: 'Apache-2.0', attachType, logLevel: 0 });
    program.close();
    return program.fd >= 0;
  });
}

describeWith([root], 'the fields of contexts are those that the verifier knows', () => {
  it.each<[ProgramType, ContextLayout, readonly AttachType[]]>([
    ['sched_cls', SK_BUFF, []],
    ['xdp', XDP_MD, []],
    ['sock_ops', SOCK_OPS, []],
    ['sk_msg', SK_MSG, []],
    ['sk_lookup', SK_LOOKUP, ['sk_lookup']],
    ['cgroup_sock_addr', SOCK_ADDR, ['cgroup_udp4_sendmsg', 'cgroup_udp6_sendmsg']],
  ])('%s', (type, layout, attachTypes) => {
    const numbers = attachTypes.length === 0 ? [0] : attachTypes.map((name) => ATTACH_TYPE[name]);
    const differing: string[] = [];
    for (let offset = 0; offset < layout.size + 8; offset++) {
      for (const size of SIZES) {
        for (const access of [LOADS[size]('r2', 'r1', offset), STORES[size]('r1', offset, 0)]) {
          const ours = allowedField(layout, offset, size, access.kind === 'store') !== undefined;
          if (verifierAllows(type, numbers, access) === ours) continue;
          differing.push(`${access.kind} of ${size} bytes at ${offset}: ${ours ? 'ours' : 'kernel'} only`);
        }
      }
    }
    expect(differing).toEqual([]);
  });

  it('a full socket', () => {
    // r2 = skb->sk ? bpf_sk_fullsock(skb->sk) : 0, and out where it is null
    const socket = [
      ldxdw('r1', 'r1', 168),
      jne('r1', 0, 2),
      mov64('r0', 1),
      exit(),
      call(95),
      jne('r0', 0, 2),
      mov64('r0', 1),
      exit(),
    ];
    const differing: string[] = [];
    for (let offset = 0; offset < SOCK.size + 8; offset++) {
      for (const size of SIZES) {
        const ours = allowedField(SOCK, offset, size, false) !== undefined;
        if (verifierAllows('sched_cls', [0], ...socket, LOADS[size]('r2', 'r0', offset)) === ours) continue;
        differing.push(`load of ${size} bytes at ${offset}: ${ours ? 'ours' : 'kernel'} only`);
      }
    }
    expect(differing).toEqual([]);
  });
});
