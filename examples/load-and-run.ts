/**
 * Loads a program into the kernel and runs it on a packet, as root: it answers with the packet's EtherType, in the byte order of the network.
 * Then loads one that the verifier refuses, and shows what it says.
 */
import { add64, exit, jgt, label, ldxb, ldxh, ldxw, link, mov64, be, type Item, type Program } from 'bpf-asm';
import { isNetlinkTcError, loadProgram, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const program = (name: string, items: readonly Item[]): Program => ({
  name,
  type: 'sched_cls',
  licence: 'Apache-2.0',
  ...link(items, { entry: name }),
  maps: [],
});

needRoot();
const sys = await openSys();
using etherType = loadProgram(
  sys,
  program('ether_type', [
    ldxw('r2', 'r1', 76), // data
    ldxw('r3', 'r1', 80), // data_end
    mov64('r0', 0),
    mov64('r4', 'r2'),
    add64('r4', 14),
    jgt('r4', 'r3', 'out'),
    ldxh('r0', 'r2', 12),
    be('r0', 16),
    label('out'),
    exit(),
  ]),
);
const packet = new Uint8Array(64);
packet.set([0x86, 0xdd], 12);
console.log(`EtherType 0x${testRun(sys, etherType, { data: packet }).result.toString(16)}`);

try {
  const source = { file: 'examples/load-and-run.ts', line: 40, column: 1, text: 'packet.byte(12)' };
  loadProgram(sys, program('unchecked', [ldxw('r2', 'r1', 76), { ...ldxb('r0', 'r2', 12), source }, exit()])).close();
} catch (error) {
  if (!isNetlinkTcError(error, 'ERR_VERIFIER')) throw error;
  console.log(`refused: ${error.verifier?.summary}`);
  console.log(`written at ${error.verifier?.source?.file}:${error.verifier?.source?.line}`);
  console.log(`advice: ${error.hint}`);
}
