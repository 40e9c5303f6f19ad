/**
 * Sharing a hook: pairs of classifiers that return `TC_ACT_OK` or `TC_ACT_PIPE`, at priorities 1 and 2 of clsact and one after the
 * other on tcx, and what the hook's chain says of them before any packet is sent. Needs root; works in a namespace of its own.
 */
import { exit, link, mov64, type Program } from 'bpf-asm';
import {
  addLink,
  attach,
  chain,
  createAnonymousNetns,
  formatChain,
  getLink,
  loadProgram,
  NetlinkSocket,
  openSys,
  TC_ACT,
} from 'netlink-tc';
import { needRoot } from './needs-root.ts';

/** A classifier that returns one code. */
function returning(name: string, code: number): Program {
  const { instructions } = link([mov64('r0', code), exit()]);
  return { name, type: 'sched_cls', licence: 'Apache-2.0', instructions, functions: [{ name, index: 0 }], maps: [] };
}

needRoot();
const sys = await openSys();
using netns = createAnonymousNetns(sys);
using socket = NetlinkSocket.open(sys, { netns });
await socket.request(addLink({ kind: 'veth', name: 'v0', peer: { name: 'v1' } }));
const { index: device } = await socket.request(getLink('v0'));

for (const mode of ['clsact', 'tcx'] as const) {
  for (const [word, code] of [
    ['ok', TC_ACT.OK],
    ['pipe', TC_ACT.PIPE],
  ] as const) {
    using first = loadProgram(sys, returning(`tc1${word}`, code));
    using second = loadProgram(sys, returning(`tc2${word}`, code));
    const options = { device, direction: 'ingress', netns, mode } as const;
    const attachments = [
      await attach(sys, socket, first, { ...options, priority: 1, name: first.name }),
      await attach(sys, socket, second, { ...options, priority: 2, name: second.name }),
    ];
    console.log(`two that return ${word} on ${mode}:`);
    console.log(formatChain(await chain(sys, socket, options)));
    for (const attachment of attachments) await attachment.detach();
  }
}
