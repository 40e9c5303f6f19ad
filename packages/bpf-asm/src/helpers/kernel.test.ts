import { release } from 'node:os';
import { expect, it } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { loadProgram } from '../../test/kernel.ts';
import { PROGRAM_TYPE, type ProgramType } from '../asm/index.ts';
import { encode } from '../isa/index.ts';
import { HELPERS } from './index.ts';

/** Program types that can be loaded with nothing to attach to, with an attach type where one must be named. */
const TYPES: Readonly<Partial<Record<ProgramType, number>>> = {
  socket_filter: 0, sched_cls: 0, sched_act: 0, xdp: 0, cgroup_skb: 0, cgroup_sock_addr: 10, sock_ops: 3, sk_skb: 5, sk_msg: 7, sk_lookup: 36,
  lwt_xmit: 0, tracepoint: 0, kprobe: 0, cgroup_sockopt: 21,
}; // prettier-ignore

/** What the verifier says of a call: it has no such helper here, the licence does not allow it, or it goes on to the arguments. */
function ask(id: number, type: ProgramType, licence: string): 'none' | 'licence' | 'there' {
  const code = encode([
    { kind: 'call', helper: id },
    { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 0 },
    { kind: 'exit' },
  ]);
  const program = loadProgram(code, { type: PROGRAM_TYPE[type], attachType: TYPES[type] ?? 0, licence, logLevel: 1 });
  program.close();
  if (program.log.includes('cannot call GPL-restricted function')) return 'licence';
  const refused = /cannot use helper|unknown func|invalid func|not supported for program type/.test(program.log);
  if (program.fd < 0 && !refused && !program.log.includes('(85) call')) throw new Error(`${type}: ${program.log}`);
  return refused ? 'none' : 'there';
}

/** The running kernel's version as one number: 6.18 is 6018. */
function kernelVersion(): number {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major * 1000 + minor;
}

describeWith([root], 'the table of helpers', () => {
  it.each(Object.keys(TYPES) as ProgramType[])('says of %s programs what the kernel says', (type) => {
    const told: string[] = [];
    const found: string[] = [];
    for (const { id, name, gplOnly, programs } of HELPERS) {
      if (ask(id, type, 'GPL') === 'none') continue;
      found.push(`${name}${ask(id, type, 'Apache-2.0') === 'licence' ? ' GPL' : ''}`);
      if (programs.includes(type)) told.push(`${name}${gplOnly ? ' GPL' : ''}`);
    }
    expect(found.length).toBeGreaterThan(40);
    // Before 6.18 the licence was stricter for a few.
    const plain = (list: readonly string[]): string[] =>
      kernelVersion() >= 6018 ? [...list] : list.map((one) => one.replace(' GPL', ''));
    expect(plain(found)).toEqual(plain(told));
  });

  // A program type may have got a helper later than the first one did.
  it.runIf(kernelVersion() >= 6012)('names no helper of tc, XDP and sk_lookup that the kernel lacks', () => {
    const lacking = HELPERS.flatMap(({ id, name, programs }) => {
      const types = (['sched_cls', 'xdp', 'sk_lookup'] as const).filter((type) => programs.includes(type));
      return types.filter((type) => ask(id, type, 'GPL') === 'none').map((type) => `${type} ${name}`);
    });
    expect(lacking).toEqual([]);
  });
});
