import { ERRNO } from '../errno.ts';
import type { HelperFunction, HelperTable } from '../helper.ts';
import type { Machine } from '../machine.ts';
import { ETH_HLEN, MAX_PACKET } from '../packet.ts';
import {
  checksumPartial,
  checksumReplace2,
  checksumReplace4,
  checksumReplaceByDifference,
  checksumSubtract,
  checksumTo16,
} from './checksum.ts';
import { contextOf, packetOf } from './packet.ts';

/** Size of the value that a checksum helper replaces (`BPF_F_HDR_FIELD_MASK`), and its other flags. */
const FIELD_MASK = 0xf;
const PSEUDO_HEADER = 0x10;
const MARK_MANGLED_0 = 0x20;
const MARK_ENFORCE = 0x40;
const IPV6 = 0x80;

/** Flags of `skb_store_bytes`: `RECOMPUTE_CSUM` and `INVALIDATE_HASH`. */
const STORE_FLAGS = 3;

/** The last type of a packet that programs may change, and change to. */
const PACKET_OTHERHOST = 3;

/** Sets the length that the context shows to that of the packet. */
function showLength(machine: Machine): void {
  const { packet, context } = machine.run;
  if (packet !== undefined && context?.has('len') === true) context.set('len', packet.length);
}

const loadBytes: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const size = machine.u32(4);
  const to = machine.bytes(3, size, 'write');
  const bytes = machine.high(2) === 0 ? packet.slice(machine.u32(2), size) : undefined;
  if (bytes === undefined) {
    to.fill(0);
    return -ERRNO.EFAULT;
  }
  to.set(bytes);
  return 0;
};

const storeBytes: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const from = machine.bytes(3, machine.u32(4)).slice();
  if ((machine.u32(5) & ~STORE_FLAGS) !== 0) return -ERRNO.EINVAL;
  const bytes = machine.high(2) === 0 ? packet.slice(machine.u32(2), from.length) : undefined;
  if (bytes === undefined) return -ERRNO.EFAULT;
  bytes.set(from);
  packet.pull(machine.u32(2) + from.length);
  return 0;
};

const pullData: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const size = machine.u32(2);
  // 0 asks for no more than is within reach already.
  if (size > packet.length) {
    packet.changed();
    return -ERRNO.ENOMEM;
  }
  packet.pull(size);
  return 0;
};

const l3Replace: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const offset = machine.u32(2);
  const flags = machine.u32(5);
  if ((flags & ~FIELD_MASK) !== 0) return -ERRNO.EINVAL;
  if (offset > 0xffff || (offset & 1) !== 0) return -ERRNO.EFAULT;
  const field = packet.slice(offset, 2);
  if (field === undefined) return -ERRNO.EFAULT;
  const value = replaced(machine, flags, field);
  if (value === undefined) return -ERRNO.EINVAL;
  putChecksum(field, value);
  packet.pull(offset + 2);
  return 0;
};

const l4Replace: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const offset = machine.u32(2);
  const flags = machine.u32(5);
  if ((flags & ~(MARK_MANGLED_0 | MARK_ENFORCE | PSEUDO_HEADER | IPV6 | FIELD_MASK)) !== 0) return -ERRNO.EINVAL;
  if (offset > 0xffff || (offset & 1) !== 0) return -ERRNO.EFAULT;
  const field = packet.slice(offset, 2);
  if (field === undefined) return -ERRNO.EFAULT;
  packet.pull(offset + 2);
  const manglesZero = (flags & MARK_MANGLED_0) !== 0;
  if (manglesZero && (flags & MARK_ENFORCE) === 0 && field[0] === 0 && field[1] === 0) return 0;
  const value = replaced(machine, flags, field);
  if (value === undefined) return -ERRNO.EINVAL;
  putChecksum(field, manglesZero && value === 0 ? 0xffff : value);
  return 0;
};

/** The checksum with the helper's value replaced; nothing where the size is none that helpers know. */
function replaced(machine: Machine, flags: number, field: Uint8Array): number | undefined {
  const checksum = (field[0] as number) | ((field[1] as number) << 8);
  const [from, to] = [machine.u32(3), machine.u32(4)];
  switch (flags & FIELD_MASK) {
    case 0:
      return machine.isNull(3) ? checksumReplaceByDifference(checksum, to) : undefined;
    case 2:
      return checksumReplace2(checksum, from, to);
    case 4:
      return checksumReplace4(checksum, from, to);
    default:
      return undefined;
  }
}

function putChecksum(field: Uint8Array, value: number): void {
  field[0] = value;
  field[1] = value >>> 8;
}

const checksumDifference: HelperFunction = (machine) => {
  const [fromSize, toSize] = [machine.u32(2), machine.u32(4)];
  if (((fromSize | toSize) & 3) !== 0) return -ERRNO.EINVAL;
  const seed = machine.u32(5);
  const from = fromSize === 0 ? undefined : machine.bytes(1, fromSize);
  const to = toSize === 0 ? undefined : machine.bytes(3, toSize);
  if (from === undefined) return checksumTo16(to === undefined ? seed : checksumPartial(to, seed));
  if (to === undefined) return checksumTo16(~checksumPartial(from, ~seed >>> 0) >>> 0);
  return checksumTo16(checksumSubtract(checksumPartial(to, seed), checksumPartial(from, 0)));
};

const changeHead: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const room = machine.u32(2);
  if (!machine.isNull(3) || packet.length + room > MAX_PACKET) return -ERRNO.EINVAL;
  packet.splice(0, 0, room);
  showLength(machine);
  return 0;
};

const changeTail: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const size = machine.u32(2);
  if (!machine.isNull(3) || size > MAX_PACKET || size < ETH_HLEN) return -ERRNO.EINVAL;
  if (size < packet.length) packet.splice(size, packet.length - size, 0);
  else packet.splice(packet.length, 0, size - packet.length);
  packet.pull(size);
  showLength(machine);
  return 0;
};

const adjustHead: HelperFunction = (machine) => (packetOf(machine).moveHead(machine.s32(2)) ? 0 : -ERRNO.EINVAL);
const adjustMeta: HelperFunction = (machine) => (packetOf(machine).moveMeta(machine.s32(2)) ? 0 : -ERRNO.EINVAL);
const adjustTail: HelperFunction = (machine) => (packetOf(machine).moveTail(machine.s32(2)) ? 0 : -ERRNO.EINVAL);

const changeType: HelperFunction = (machine) => {
  const context = contextOf(machine);
  const type = machine.u32(2);
  if (type > PACKET_OTHERHOST || context.get('pkt_type') > PACKET_OTHERHOST) return -ERRNO.EINVAL;
  context.set('pkt_type', type);
  return 0;
};

const getHash: HelperFunction = (machine) => contextOf(machine).get('hash');

/** Helpers that read and change packets. */
export const PACKET_HELPERS: HelperTable = {
  skb_load_bytes: loadBytes,
  skb_store_bytes: storeBytes,
  skb_pull_data: pullData,
  l3_csum_replace: l3Replace,
  l4_csum_replace: l4Replace,
  csum_diff: checksumDifference,
  skb_change_head: changeHead,
  skb_change_tail: changeTail,
  skb_change_type: changeType,
  xdp_adjust_head: adjustHead,
  xdp_adjust_meta: adjustMeta,
  xdp_adjust_tail: adjustTail,
  get_hash_recalc: getHash,
};
