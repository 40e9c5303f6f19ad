/**
 * What every entry says to an ordinary user: run as a process of its own, by the user that the first argument numbers.
 * Prints one JSON object: for each entry, the error's code and hint.
 */
import {
  createMap,
  createProbes,
  ensureBpffs,
  isNetlinkTcError,
  loadBtf,
  loadProgram,
  objectIds,
  openById,
  openSys,
  queryHook,
} from '../src/index.ts';
import { programOf } from './program.ts';
import { exit, mov64 } from 'bpf-asm';

const sys = await openSys();
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
