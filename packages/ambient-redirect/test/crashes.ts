/**
 * Does what an engine does with its state, again and again, until it is killed: writes records, attaches, replaces, detaches, removes its qdisc. Arguments: path of the state, path
 * of the network namespace, mode.
 */
import { exit, link, mov64, type Program } from 'bpf-asm';
import { loadProgram, NetlinkSocket, openNetns, openSys, readProgramInfo } from 'netlink-tc';
import { StateDirectory } from '../src/engine/directory.ts';
import { Hooks } from '../src/engine/hook.ts';

const [path = '', netnsPath = '', mode = ''] = process.argv.slice(2);
const sys = await openSys();
const netns = openNetns(sys, { path: netnsPath });
const socket = NetlinkSocket.open(sys, { netns });
const directory = StateDirectory.open(sys, path, { create: true });
const hooks = new Hooks(sys, socket, directory, { netns, mode: mode as 'tcx' | 'clsact', priority: 50 });

function program(name: string): { readonly fd: number; readonly id: number } {
  const { instructions, functions } = link([mov64('r0', -1), exit()]);
  const value: Program = { name, type: 'sched_cls', licence: 'Apache-2.0', instructions, functions, maps: [] };
  const { fd } = loadProgram(sys, { ...value, functions: [{ name, index: 0 }] });
  return { fd, id: readProgramInfo(sys, fd).id };
}

const [one, two] = [program('one'), program('two')];
const places = (['ingress', 'egress'] as const).map((direction) => ({
  device: 2,
  direction,
  owner: `ours_${direction}`,
  pinName: `hook-${direction}`,
}));

console.log('ready');
for (let round = 0; ; round += 1) {
  directory.records.put('round', { round, text: String(round % 10).repeat((round * 997) % 6000) });
  const records = [];
  for (const place of places) records.push(await hooks.attach(place, one));
  for (const record of records) await hooks.replace(record, two);
  directory.records.put('hooks', records);
  for (const record of records) await hooks.detach(record);
  if (round % 2 === 0) await hooks.removeQdiscs();
  directory.records.delete('hooks');
}
