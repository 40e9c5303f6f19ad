/**
 * A packet filter, from TypeScript to an object file that tc loads, run on packets without a kernel.
 *
 * The filter stands at the host's end of a pod's veth, as a mesh without sidecars needs it: what the pod sends by TCP goes to the node's proxy,
 * anything else goes on its way. SSH is left alone.
 */
import {
  ETH_P_IP,
  Ethernet,
  IPPROTO_TCP,
  IPv4,
  lint,
  Ports,
  print,
  readObject,
  schedCls,
  tag,
  Vm,
  when,
  writeObject,
  type Program,
} from 'bpf-asm';

/** What is fixed for a node becomes a number in its program, not a look-up: a change makes another program. */
interface Node {
  /** Interface of the proxy. */
  readonly proxy: number;
  /** Port that is never captured. */
  readonly excluded: number;
}

/** What the verdict `next` is on tcx: the next program of the hook decides. */
const TCX_NEXT = -1;

function capture({ proxy, excluded }: Node): Program {
  return schedCls('capture', { licence: 'Apache-2.0' }, ({ skb, next, redirectPeer }) => {
    const eth = skb.parse(Ethernet, next); // too short: not ours
    when(eth.type.ne(ETH_P_IP), next);
    const ip = skb.parse(IPv4, next); // what follows begins after its options
    when(ip.protocol.ne(IPPROTO_TCP), next);
    when(ip.isFragmentTail, next); // it has no ports
    when(skb.parse(Ports, next).destination.eq(excluded), next);
    return redirectPeer(proxy);
  });
}

/** An Ethernet frame, as far as the filter looks. */
interface Frame {
  readonly etherType?: number;
  readonly protocol?: number;
  readonly port?: number;
  /** Words of IPv4 options. */
  readonly options?: number;
  /** Fragment offset in units of eight bytes. */
  readonly fragment?: number;
  /** Bytes that are left of it. */
  readonly length?: number;
}

function frame({
  etherType = 0x0800,
  protocol = 6,
  port = 80,
  options = 0,
  fragment = 0,
  length = 64,
}: Frame): Uint8Array {
  const [ETH_TYPE, IP] = [12, 14];
  const view = new DataView(new ArrayBuffer(IP + 20 + 4 * options + 20));
  view.setUint16(ETH_TYPE, etherType);
  view.setUint8(IP, 0x45 + options);
  view.setUint16(IP + 6, fragment);
  view.setUint8(IP + 9, protocol);
  view.setUint16(IP + 20 + 4 * options + 2, port);
  return new Uint8Array(view.buffer).subarray(0, length);
}

const node: Node = { proxy: 7, excluded: 22 };
const program = capture(node);
const toProxy = `to the proxy, interface ${node.proxy}`;
const goesOn = 'goes on';
const story: readonly (readonly [packet: string, frame: Frame, expected: string])[] = [
  ['HTTP: TCP to port 80', {}, toProxy],
  ['HTTPS: TCP to port 443', { port: 443 }, toProxy],
  ['HTTP, header with options', { options: 3 }, toProxy],
  ['SSH: TCP to port 22', { port: 22 }, goesOn],
  ['SSH, header with options', { port: 22, options: 3 }, goesOn],
  ['DNS: UDP to port 53', { protocol: 17, port: 53 }, goesOn],
  ['ping: ICMP', { protocol: 1 }, goesOn],
  ['ARP', { etherType: 0x0806 }, goesOn],
  ['IPv6', { etherType: 0x86dd }, goesOn],
  ['the rest of a fragmented packet', { fragment: 185 }, goesOn],
  ['TCP, cut off before the ports', { length: 36 }, goesOn],
  ['TCP, cut off in the IP header', { length: 20 }, goesOn],
];

console.log(`The program ${program.name}, as bpftool would list it (tag ${tag(program.instructions)}):\n`);
console.log(print(program.instructions, { labels: true }));

let wrong = 0;
const findings = lint(program.instructions);
for (const { severity, instruction, message } of findings)
  console.log(`${severity} at instruction ${instruction}: ${message}`);
console.log(`Lint: ${findings.length === 0 ? 'nothing to find fault with' : `${findings.length} findings`}\n`);
wrong += findings.length;

const vm = new Vm(program);
const rows = story.map(([packet, fields, expected]) => {
  const { verdict, redirect, steps } = vm.run({ packet: frame(fields) });
  const found =
    redirect === undefined
      ? verdict === TCX_NEXT
        ? goesOn
        : `verdict ${verdict}`
      : `to the proxy, interface ${redirect.ifindex}`;
  if (found !== expected) wrong += 1;
  return [found === expected ? '✓' : '✗', packet, found, `${steps} instructions`];
});
const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
console.log('In the interpreter, without a kernel and without root:\n');
for (const row of rows)
  console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());

const object = writeObject([program]);
const again = readObject(object).programs[0]?.instructions ?? [];
const same = print(again) === print(program.instructions);
if (!same) wrong += 1;
console.log(
  `\nAs an object file for tc and libbpf: ${object.length} bytes, which hold ${same ? 'the same' : 'ANOTHER'} program.`,
);
console.log(wrong === 0 ? '\nEverything is as told.' : `\n${wrong} things are not as told.`);
process.exitCode = wrong === 0 ? 0 : 1;
