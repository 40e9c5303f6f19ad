/**
 * `npm run demo`: a packet filter, from TypeScript to an object file that tc loads, run on packets without a kernel.
 *
 * The filter stands at the host's end of a pod's veth, as a mesh without sidecars needs it: what the pod sends by TCP goes to the node's proxy,
 * anything else goes on its way. SSH is left alone.
 */
import {
  be,
  call,
  exit,
  jeq,
  jgt,
  jne,
  label,
  ldxb,
  ldxh,
  ldxw,
  link,
  lint,
  lsh64,
  add64,
  and64,
  jset,
  mov64,
  print,
  r0,
  r1,
  r2,
  r3,
  r4,
  r5,
  r7,
  readObject,
  tag,
  Vm,
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

/** `struct __sk_buff`: where the packet begins and ends. */
const DATA = 76;
const DATA_END = 80;
const ETH_TYPE = 12;
const IP = 14;
const TCX_NEXT = -1;
/** Number of the helper `bpf_redirect_peer`. */
const REDIRECT_PEER = 155;

function capture({ proxy, excluded }: Node): Program {
  const { instructions, functions } = link([
    ldxw(r2, r1, DATA),
    ldxw(r3, r1, DATA_END),
    mov64(r4, r2),
    add64(r4, IP + 20),
    jgt(r4, r3, 'next'), // no whole IPv4 header

    ldxh(r5, r2, ETH_TYPE),
    be(r5, 16),
    jne(r5, 0x0800, 'next'),
    ldxb(r5, r2, IP + 9),
    jne(r5, 6, 'next'), // not TCP
    ldxh(r5, r2, IP + 6),
    be(r5, 16),
    jset(r5, 0x1fff, 'next'), // a later fragment: it has no ports

    ldxb(r7, r2, IP), // options make the header longer
    and64(r7, 0xf),
    lsh64(r7, 2),
    add64(r2, IP),
    add64(r2, r7),
    mov64(r4, r2),
    add64(r4, 4),
    jgt(r4, r3, 'next'), // no ports in reach
    ldxh(r5, r2, 2),
    be(r5, 16),
    jeq(r5, excluded, 'next'),

    mov64(r1, proxy),
    mov64(r2, 0),
    call(REDIRECT_PEER),
    exit(),

    label('next'),
    mov64(r0, TCX_NEXT),
    exit(),
  ]);
  return { name: 'capture', type: 'sched_cls', licence: 'Apache-2.0', instructions, functions, maps: [] };
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
