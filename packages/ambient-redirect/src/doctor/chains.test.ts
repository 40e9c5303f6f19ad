import { ATTACH_TYPE, call, exit, jeq, label, ldxw, mov64 } from 'bpf-asm';
import {
  addFilter,
  addQdisc,
  attachTcx,
  BPF_COMMAND,
  createProbes,
  TC_ACT,
  type Direction,
  type Sys,
} from 'netlink-tc';
import { constants } from 'node:os';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLab, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { Tracer } from '../../../netlink-tc/test/hook.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { codesOf, diagnose, ofCode } from '../../test/doctor.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { settingsOf } from '../engine/options.ts';
import { Host } from '../topology/index.ts';
import { checkChains } from './chains.ts';
import type { ExamineOptions } from './examine.ts';
import type { Finding } from './finding.ts';
import { machineAt } from './machine.ts';

const { OK, UNSPEC } = TC_ACT;

/** Lets frames of one type, which is none here, go on past all others; the rest is left to the next. */
const SOMETIMES = [
  ldxw('r2', 'r6', 16),
  mov64('r0', OK),
  jeq('r2', 0x1234, 'out'),
  mov64('r0', UNSPEC),
  label('out'),
  exit(),
];

/** A neighbour on an interface. */
interface Neighbour {
  readonly code: Parameters<Tracer['program']>[1];
  readonly priority?: number;
  readonly direction?: Direction;
}

interface Stage {
  readonly sys: Sys;
  readonly lab: Lab;
  /** Puts a filter of clsact on `v-client`. */
  filter(neighbour: Neighbour): Promise<void>;
  /** Puts a program of tcx there. */
  tcx(neighbour: Neighbour): void;
  /** What the doctor says of the hooks of `v-client`, unless other interfaces are named. */
  chains(options?: ExamineOptions): Promise<readonly Finding[]>;
}

async function stage(): Promise<Stage> {
  const sys = await testSys();
  const lab = await createLab(sys);
  onTestFinished(() => lab.close());
  return stageOf(sys, lab);
}

function stageOf(sys: Sys, lab: Lab): Stage {
  const { node, client } = lab;
  const device = client.hostIndex;
  const tracer = new Tracer(sys);
  return {
    sys,
    lab,
    filter: async ({ code, priority = 1, direction = 'ingress' }) => {
      await node.socket.request(addQdisc({ device, kind: 'clsact' })).catch(() => undefined);
      const options = { fd: tracer.program(1, code).fd, name: 'theirs', flags: 1 };
      await node.socket.request(addFilter({ device, parent: direction, kind: 'bpf', priority, options }));
    },
    tcx: ({ code, direction = 'ingress' }) => {
      const program = tracer.program(2, code);
      closing(node.netns.run(() => attachTcx(sys, program, device, direction)));
    },
    chains: async (options = {}) => {
      const found = await diagnose(sys, lab, { interfaces: ['v-client'], ...options });
      return found.filter(({ area }) => area === 'chains');
    },
  };
}

// Programs are followed through all their branches, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

describeWith([root, tool('tc')], 'hooks of interfaces', () => {
  test('without an engine all pairs of the host are looked at, and nothing is on them', async () => {
    const { chains } = await stage();
    const found = await chains({ interfaces: [] });
    expect(found).toMatchObject([{ code: 'chain-empty', severity: 'ok', subject: '5 interfaces' }]);
    expect(found[0]?.evidence).toEqual(['v-client, v-server, v-proxy, v-outsider, eth0']);
  });

  test('an interface that is not there is refused', async () => {
    const { chains } = await stage();
    await expect(chains({ interfaces: ['v-none'] })).rejects.toMatchObject({ code: 'ERR_INTERFACE_NOT_FOUND' });
  });

  test.each([
    ['a filter that lets all pass', { code: OK }, 'chain-unreached', 'error'],
    ['one that lets some pass', { code: SOMETIMES }, 'chain-hidden', 'warning'],
    ['one that lets some pass to the pod', { code: SOMETIMES, direction: 'egress' }, 'chain-hidden', 'warning'],
  ] as const)('clsact, before ours: %s', async (_, neighbour, code, severity) => {
    const { filter, chains } = await stage();
    await filter(neighbour);
    const found = await chains({ attach: 'clsact' });
    const direction = 'direction' in neighbour ? neighbour.direction : 'ingress';
    const owner = direction === 'ingress' ? 'app_outbound' : 'app_inbound';
    expect(ofCode(found, code)).toMatchObject([{ severity, subject: `v-client ${direction} (${owner})` }]);
    expect(ofCode(found, code)[0]?.evidence[0]).toMatch(/^clsact bpf filter at priority 1 program \S+ \(id \d+\): /);
    // The whole chain is told, too, with what each can return.
    expect(ofCode(found, 'chain-shared')[0]?.evidence.join('\n')).toMatch(
      /pref 1 bpf .* theirs direct-action .*returns (unspec\|)?ok/,
    );
  });

  test('clsact, one that leaves all to the next hides nothing', async () => {
    const { filter, chains } = await stage();
    await filter({ code: UNSPEC });
    expect((await chains({ attach: 'clsact' })).map(({ code }) => code)).toEqual(['chain-shared']);
  });

  test('tcx, programs before ours, and what is behind', async () => {
    const { sys, tcx, filter, chains } = await stage();
    if (lacksTcx(sys)) return;
    tcx({ code: SOMETIMES });
    await filter({ code: OK });
    expect((await chains()).map(({ code }) => code)).toEqual(['chain-shared', 'chain-hidden', 'chain-hides']);
    // At the head it is the other way round.
    const first = await chains({ order: 'head' });
    expect(first.map(({ code }) => code)).toEqual(['chain-shared', 'chain-hides']);
    expect(ofCode(first, 'chain-hides')[0]?.evidence).toHaveLength(2);
    // By clsact both are before the place of ours.
    expect(codesOf(await chains({ attach: 'clsact' }), 'error')).toEqual(['chain-unreached']);
    expect(codesOf(await chains({ attach: 'clsact', priority: 1 }), 'error')).toEqual([]);
  });

  test('tcx, who leaves it before one that ends it: clsact is reached', async () => {
    const { sys, tcx, chains } = await stage();
    if (lacksTcx(sys)) return;
    tcx({ code: TC_ACT.STOLEN });
    tcx({ code: OK });
    expect((await chains({ attach: 'clsact' })).map(({ code }) => code)).toEqual(['chain-shared']);
    expect(codesOf(await chains({ attach: 'tcx' }), 'error')).toEqual(['chain-unreached']);
  });

  test('netkit: the programs of the pod’s end come before ours, those of the host’s end behind', async () => {
    const { sys, lab, tcx } = await stage();
    if (lacksTcx(sys)) return;
    tcx({ code: [mov64('r1', 11), mov64('r2', 0), call(23), exit()] });
    tcx({ code: UNSPEC, direction: 'egress' });
    // Few kernels have netkit: this one tells of the programs of tcx as those of a pair.
    const as = new Map<number, number>([
      [ATTACH_TYPE.netkit_peer, ATTACH_TYPE.tcx_ingress],
      [ATTACH_TYPE.netkit_primary, ATTACH_TYPE.tcx_egress],
    ]);
    const asked: number[] = [];
    const paired: Sys = {
      ...sys,
      bpf: (command, bytes, ...rest) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        const hook = command === BPF_COMMAND.BPF_PROG_QUERY ? as.get(view.getUint32(4, true)) : undefined;
        if (hook !== undefined) {
          asked.push(view.getUint32(0, true));
          view.setUint32(0, lab.client.hostIndex, true);
          view.setUint32(4, hook, true);
        }
        return sys.bpf(command, bytes, ...rest);
      },
    };
    const { hostIndex: index, hostInterface: name } = lab.server;
    const look = async (scenes: Sys, kind: string): Promise<Finding[]> => {
      using host = new Host(scenes, { path: lab.node.path });
      return await checkChains({
        sys: scenes, host, interfaces: [{ index, name, input: name, kind, role: 'candidate' }], machine: machineAt(),
        probes: createProbes(sys), directory: '/sys/fs/bpf/none', isHostNamed: true, settings: settingsOf({}), status: undefined,
      }); // prettier-ignore
    };
    const found = await look(paired, 'netkit');
    expect(found.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'chain-netkit v-server ingress (app_outbound)',
      'chain-hides v-server egress (app_inbound)',
    ]);
    expect(found[0]?.evidence[0]).toMatch(/^netkit_peer program p2 \(id \d+\): redirect$/);
    expect(found[1]?.evidence[0]).toMatch(/^netkit_primary program p2 \(id \d+\): next$/);
    expect(asked).toEqual([index, index]);
    expect((await look(paired, 'veth')).map(({ code }) => code)).toEqual(['chain-empty']);
    // The other end of a pair does not tell.
    const shy: Sys = {
      ...sys,
      bpf: (command, bytes, ...rest) =>
        as.has(new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true)) &&
        command === BPF_COMMAND.BPF_PROG_QUERY
          ? -constants.errno.EACCES
          : sys.bpf(command, bytes, ...rest),
    };
    expect((await look(shy, 'netkit')).map(({ code }) => code)).toEqual(['chain-empty']);
  });

  test('our priority in clsact: shared with a program, taken by another kind', async () => {
    const { lab, filter, chains } = await stage();
    await filter({ code: UNSPEC, priority: 20_000 });
    const shared = await chains({ attach: 'clsact' });
    expect(ofCode(shared, 'chain-priority-shared')).toMatchObject([{ severity: 'warning' }]);
    expect(ofCode(await chains({ attach: 'clsact', priority: 19_999 }), 'chain-priority-shared')).toEqual([]);
    const u32 = 'protocol ip prio 20000 u32 match ip dport 80 0xffff flowid 1:1';
    await lab.node.exec('tc', 'filter', 'add', 'dev', 'v-client', 'egress', ...u32.split(' '));
    const taken = await chains({ attach: 'clsact' });
    expect(ofCode(taken, 'chain-priority-taken')).toMatchObject([
      { severity: 'error', subject: 'v-client egress (app_inbound)' },
    ]);
    expect(ofCode(taken, 'chain-priority-taken')[0]?.evidence[0]).toContain('u32 filter at priority 20000');
  });

  test('an ingress qdisc leaves tcx as the only way, and none without', async () => {
    const { sys, lab, chains } = await stage();
    await lab.node.exec('tc', 'qdisc', 'add', 'dev', 'v-client', 'ingress');
    expect(codesOf(await chains({ attach: 'clsact' }), 'error')).toEqual(['chain-no-egress']);
    if (lacksTcx(sys)) return;
    expect(codesOf(await chains(), 'warning')).toEqual(['chain-ingress-qdisc']);
  });

  test('ours, alone and beside others, at the interfaces of pods and of the proxy', async () => {
    const { sys, lab, open, pod } = await engineLab();
    const engine = await open();
    await engine.enroll([pod('client'), pod('server')]);
    const { directory } = await engine.status();
    const { chains, filter } = stageOf(sys, lab);
    const alone = await chains({ directory, interfaces: [] });
    expect(alone.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'chain-ours v-client',
      'chain-ours v-server',
      'chain-ours v-proxy',
    ]);
    expect(alone[0]?.evidence.join('\n')).toMatch(/app_outbound .*owner ambient-redirect.*\n.*\n.*app_inbound/);
    await filter({ code: UNSPEC, priority: 30_000 });
    const beside = await chains({ directory, interfaces: [] });
    expect(ofCode(beside, 'chain-hides')).toMatchObject([{ subject: 'v-client ingress (app_outbound)' }]);
    expect(codesOf(beside, 'error')).toEqual([]);
  });
});
