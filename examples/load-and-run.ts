/**
 * Loads a program into the kernel and runs it on a packet, as root: it answers with the packet's EtherType.
 * Then loads one that the verifier refuses, and shows what it says, with the line of this file.
 */
import { cgroupSkb, Ethernet, schedCls } from 'bpf-asm';
import { isNetlinkTcError, loadProgram, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const etherType = schedCls('ether_type', { licence: 'Apache-2.0' }, ({ skb, ret }) => {
  const eth = skb.parse(Ethernet, () => ret(0)); // too short: no type
  return ret(eth.type.toHost());
});

const refused = cgroupSkb('refused', { licence: 'Apache-2.0', attach: 'cgroup_inet_ingress' }, ({ ret }) => {
  return ret(7); // this hook knows 0 and 1
});

needRoot();
const sys = await openSys();

const packet = new Uint8Array(64);
packet.set([0x86, 0xdd], 12);
using loaded = loadProgram(sys, etherType);
console.log(`EtherType 0x${testRun(sys, loaded, { data: packet }).result.toString(16)}`);

try {
  loadProgram(sys, refused).close();
} catch (error) {
  if (!isNetlinkTcError(error, 'ERR_VERIFIER')) throw error;
  const { summary, source } = error.verifier ?? {};
  console.log(`refused: ${summary}`);
  console.log(`written at ${source?.file}:${source?.line}: ${source?.text}`);
  console.log(`advice: ${error.hint}`);
}
