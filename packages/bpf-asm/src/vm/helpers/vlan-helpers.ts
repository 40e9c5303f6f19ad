import { ERRNO } from '../errno.ts';
import type { HelperFunction, HelperTable } from '../helper.ts';
import type { Context } from '../contexts/index.ts';
import type { Machine } from '../machine.ts';
import { MAX_PACKET, type PacketBuffer } from '../packet.ts';
import { contextOf, packetOf } from './packet.ts';

/** Where a tag stands in a frame, and its size. */
const TAG_OFFSET = 12;
const TAG_SIZE = 4;

/** `ETH_P_8021Q` and `ETH_P_8021AD` as a little-endian machine reads them from a frame. */
const ETH_P_8021Q = 0x0081;
const ETH_P_8021AD = 0xa888;

/** Pushes a tag: the kernel keeps the outermost one beside the packet (`skb->vlan_tci`), only the next goes into the bytes. */
const push: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const context = contextOf(machine);
  const asked = machine.u32(2) & 0xffff;
  const protocol = asked === ETH_P_8021AD ? ETH_P_8021AD : ETH_P_8021Q;
  if (context.get('vlan_present') === 1) {
    if (packet.length + TAG_SIZE > MAX_PACKET) return -ERRNO.ENOMEM;
    insertTag(packet, context.get('vlan_proto'), context.get('vlan_tci'));
    context.set('protocol', context.get('vlan_proto'));
    context.set('len', packet.length);
  }
  showTag(context, 1, protocol, machine.u32(3) & 0xffff);
  packet.changed();
  return 0;
};

/** Pops the outermost tag; one that stands in the bytes next takes its place beside the packet. */
const pop: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const context = contextOf(machine);
  if (context.get('vlan_present') === 1) showTag(context, 0, 0, 0);
  else if (isTag(context.get('protocol'))) {
    if (packet.length < TAG_OFFSET + TAG_SIZE + 2) return -ERRNO.ENOMEM;
    removeTag(machine, packet, context);
  }
  if (isTag(context.get('protocol')) && packet.length >= TAG_OFFSET + TAG_SIZE + 2) {
    const [protocol, tci] = removeTag(machine, packet, context);
    showTag(context, 1, protocol, tci);
  }
  packet.changed();
  return 0;
};

function isTag(protocol: number): boolean {
  return protocol === ETH_P_8021Q || protocol === ETH_P_8021AD;
}

function showTag(context: Context, present: number, protocol: number, tci: number): void {
  context.set('vlan_present', present);
  context.set('vlan_proto', protocol);
  context.set('vlan_tci', tci);
}

function insertTag(packet: PacketBuffer, protocol: number, tci: number): void {
  packet.splice(TAG_OFFSET, 0, TAG_SIZE);
  packet.slice(TAG_OFFSET, TAG_SIZE)?.set([protocol, protocol >>> 8, tci >>> 8, tci]);
}

function removeTag(machine: Machine, packet: PacketBuffer, context: Context): [protocol: number, tci: number] {
  const tag = packet.slice(TAG_OFFSET, TAG_SIZE + 2)?.slice();
  if (tag === undefined) throw machine.trap('the packet is shorter than a tag');
  const [a, b, c, d, e, f] = tag as unknown as [number, number, number, number, number, number];
  packet.splice(TAG_OFFSET, TAG_SIZE, 0);
  context.set('protocol', e | (f << 8));
  context.set('len', packet.length);
  return [a | (b << 8), (c << 8) | d];
}

/** Helpers for VLAN tags. */
export const VLAN_HELPERS: HelperTable = {
  skb_vlan_push: push,
  skb_vlan_pop: pop,
};
