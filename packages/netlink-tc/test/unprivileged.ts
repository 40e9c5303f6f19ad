/**
 * What every entry says to an ordinary user: run as a process of its own, by the user that the first argument numbers. The objects
 * that some entries work on are made before, as root: what is refused is the entry. Prints one JSON object: for each entry, the
 * error's code and hint.
 */
import { exit, mov64 } from 'bpf-asm';
import { chmodSync } from 'node:fs';
import {
  attachCgroup,
  attachNetns,
  attachProgram,
  attachSockmap,
  attachTcx,
  attachXdp,
  benchmarkProgram,
  createMap,
  createProbes,
  ensureBpffs,
  isNetlinkTcError,
  loadBtf,
  loadProgram,
  objectIds,
  openById,
  openPerfReader,
  openPinned,
  openRingBuffer,
  openSys,
  pin,
  queryHook,
  testRun,
} from '../src/index.ts';
import { possibleCpus } from '../src/bpf/codec.ts';
import { programOf } from './program.ts';

const sys = await openSys();
const [cgroup = '', pins = ''] = process.argv.slice(3);
const size = { keySize: 4, valueSize: 4 } as const;
const program = loadProgram(sys, programOf([mov64('r0', 0), exit()]));
const xdp = loadProgram(sys, programOf([mov64('r0', 0), exit()], { type: 'xdp' }));
const egress = loadProgram(sys, programOf([mov64('r0', 1), exit()], { type: 'cgroup_skb' }));
const lookup = { type: 'sk_lookup', expectedAttachType: 'sk_lookup' } as const;
const steer = loadProgram(sys, programOf([mov64('r0', 1), exit()], lookup));
const message = { type: 'sk_msg', expectedAttachType: 'sk_msg_verdict' } as const;
const verdict = loadProgram(sys, programOf([mov64('r0', 1), exit()], message));
const ring = createMap(sys, { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: sys.pageSize });
const perf = createMap(sys, { name: 'perf', type: 'perf_event_array', ...size, maxEntries: possibleCpus() });
const [sockets, more] = [1, 2].map(() => createMap(sys, { name: 'socks', type: 'sockmap', ...size, maxEntries: 2 }));
pin(sys, ring, `${pins}/there`);
chmodSync(`${pins}/there`, 0o600);
process.setgid?.(Number(process.argv[2]));
process.setgroups?.([]);
process.setuid?.(Number(process.argv[2]));

const entries: Readonly<Record<string, () => unknown>> = {
  createMap: () => createMap(sys, { name: 'a', type: 'lru_hash', keySize: 4, valueSize: 4, maxEntries: 4 }),
  createSockmap: () => createMap(sys, { name: 'a', type: 'sockmap', keySize: 4, valueSize: 4, maxEntries: 4 }),
  loadProgram: () => loadProgram(sys, programOf([mov64('r0', 0), exit()])),
  loadBtf: () =>
    loadBtf(sys, Uint8Array.of(0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)),
  objectIds: () => [...objectIds(sys, 'program')],
  openById: () => openById(sys, 'map', 1),
  queryHook: () => queryHook(sys, { target: 1, attachType: 'tcx_ingress' }),
  attachTcx: () => attachTcx(sys, program, 1, 'ingress'),
  attachXdp: () => attachXdp(sys, xdp, 1),
  attachCgroup: () => attachCgroup(sys, egress, cgroup, 'cgroup_inet_egress'),
  attachNetns: () => attachNetns(sys, steer, '/proc/self/ns/net'),
  attachSockmap: () => attachSockmap(sys, verdict, sockets ?? ring, 'sk_msg_verdict'),
  attachProgram: () => attachProgram(sys, verdict, { target: more?.fd ?? -1, attachType: 'sk_msg_verdict' }),
  pin: () => pin(sys, ring, `${pins}/mine`),
  openPinned: () => openPinned(sys, `${pins}/there`),
  testRun: () => testRun(sys, program),
  benchmarkProgram: () => benchmarkProgram(sys, program, { rounds: 1, repeat: 1 }),
  openRingBuffer: () => openRingBuffer(sys, ring).close(),
  openPerfReader: () => openPerfReader(sys, perf).close(),
  mount: () => ensureBpffs(sys, '/tmp'),
};
const answers: Record<string, unknown> = {};
for (const [name, entry] of Object.entries(entries)) {
  try {
    entry();
    answers[name] = 'done';
  } catch (error) {
    answers[name] = isNetlinkTcError(error) ? { code: error.code, hint: error.hint } : String(error);
  }
}
const probes = createProbes(sys);
answers['probe'] = [
  probes.mapType('lru_hash').answer,
  probes.programType('sched_cls').answer,
  probes.link('xdp').answer,
];
console.log(JSON.stringify(answers));
