import type { CommandSpec } from '../command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect trace`. */
export const trace: CommandSpec = {
  name: 'trace',
  summary: 'show packets of pods as they pass, with what becomes of each and why',
  description: `While it runs, the programs of the pods it is about are exchanged for others that tell of packets; at its end those from before are put back. Nothing else pays for it: pods that are not named by --pod keep their programs, and so a verdict that is not asked for by --verdict costs nothing. What else is asked for is chosen after packets are told. If it is killed, the next reconcile puts the programs back.

Of each list of values a packet must match one, and all lists that are given. A packet is told by the program that decides: app_outbound of what leaves a pod, app_inbound of what is on its way to it, ztunnel_host_in of what the proxy sends straight into it. What they leave alone without counting it (ARP, other Ethernet types, VLANs) is not told. Verdicts: captured, dns, icmpCopied, delivered, fromProxy, host, bypassed, excluded, preserved, other, passedWithoutProxy, droppedWithoutProxy, spoofed.

There is room for some thousand packets that wait to be read. Those there is no room for are counted, and told at the end.

With --pcap, the first 128 bytes of each packet are written to a capture file (pcapng), as they came, with verdict, program and pod as the comment of the frame: tshark shows it with -T fields -e frame.comment.

Without an agent this command has the engine while it runs, as every command that changes something does: others wait for its end.`,
  options: [
    { name: 'pod', value: 'POD', repeat: true, summary: 'of this pod' },
    {
      name: 'direction',
      value: 'DIRECTION',
      repeat: true,
      choices: ['outbound', 'inbound'],
      summary: 'as the pod sees it',
    },
    {
      name: 'verdict',
      value: 'VERDICT',
      repeat: true,
      summary: 'with this verdict, or with any whose outcome is redirected, passed or dropped',
    },
    { name: 'address', value: 'ADDRESS', repeat: true, summary: 'from or to this address, or one of this prefix' },
    { name: 'port', value: 'PORT', repeat: true, summary: 'from or to this port, or one of a range such as 8000-8099' },
    { name: 'protocol', value: 'PROTOCOL', repeat: true, summary: 'tcp, udp, icmp (that of IPv6 too) or a number' },
    {
      name: 'sample',
      value: 'N',
      number: { from: 1, to: 65_536, whole: true },
      default: '1',
      summary: 'one of so many packets, at random: a power of two',
    },
    {
      name: 'count',
      value: 'N',
      number: { from: 1, to: Number.MAX_SAFE_INTEGER, whole: true },
      summary: 'end after so many packets',
    },
    {
      name: 'duration',
      value: 'SECONDS',
      number: { from: 0.1, to: 604_800, whole: false },
      summary: 'end after so long',
    },
    {
      name: 'pcap',
      value: 'FILE',
      summary: 'write a capture file; - is the standard output, and no lines are printed then',
      completes: 'file',
    },
    ...NODE_OPTIONS,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'everything, until Ctrl-C', line: 'ambient-redirect trace' },
    { summary: 'what is dropped, and why', line: 'ambient-redirect trace --verdict dropped' },
    {
      summary: 'what a pod and a network have with each other over HTTPS',
      line: 'ambient-redirect trace --pod shop/cart-1 --address 10.96.0.0/12 --port 443 --protocol tcp',
    },
    {
      summary: 'one packet in 1024 of a busy node, for a minute',
      line: 'ambient-redirect trace --sample 1024 --duration 60 --json',
    },
    {
      summary: 'the next hundred packets, for Wireshark',
      line: 'ambient-redirect trace --pcap cart.pcapng --count 100',
    },
    { summary: 'into tshark, as they come', line: 'ambient-redirect trace --pcap - | tshark -r -' },
  ],
  exitCodes: {
    0: 'it was ended: by --count, --duration or a signal',
    1: 'a pod is not enrolled, someone else traces, or the agent ended it',
  },
  json: {
    summary:
      'A line for each packet, whose `kind` is `packet`, and at the end one whose `kind` is `end`: how many were shown, and how many were lost for want of room. `time` is ISO 8601 in UTC. `pod` is not there where it is none that is enrolled; ports are 0 in fragments without them, and where there are none. `length` has the link layer header.',
    stream: true,
    example: {
      kind: 'packet',
      time: '2026-02-26T08:30:00.123456Z',
      pod: 'shop/cart-1',
      direction: 'outbound',
      verdict: 'captured',
      outcome: 'redirected',
      reason: 'to the proxy: of a TCP connection of the pod',
      program: 'app_outbound',
      interface: 'vethcart1',
      family: 'ipv4',
      protocol: 6,
      source: '10.244.1.7',
      sourcePort: 40312,
      destination: '10.96.0.10',
      destinationPort: 443,
      length: 74,
    },
  },
  run: () => import('../run/trace.ts'),
};
