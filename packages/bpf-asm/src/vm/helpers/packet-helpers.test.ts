import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add64, call, exit, jgt, label, ldAbs, ldInd, ldxb, ldxw, link, mov64, stb, stdw, stw, type Item, type ProgramType,
} from '../../asm/index.ts'; // prettier-ignore
import { helperByName } from '../../helpers/index.ts';
import { ERRNO } from '../errno.ts';
import { Vm, type VmInput, type VmOptions, type VmResult } from '../index.ts';

const helper = (name: string): Item => call(helperByName(name)?.id ?? -1);
const run = (items: Item[], input: VmInput, type: ProgramType = 'sched_cls', options: VmOptions = {}): VmResult =>
  new Vm(link(items).instructions, { ...options, type }).run(input);
const signed = ({ r0 }: VmResult): number => Number(BigInt.asIntN(64, r0));
const packet = Uint8Array.from({ length: 64 }, (_, index) => index);
/** `r6` keeps the context, then `r2` = data and `r3` = data_end. */
const pointers: Item[] = [mov64('r6', 'r1'), ldxw('r2', 'r1', 76), ldxw('r3', 'r1', 80)];
const stack = (size: number): Item[] => [mov64('r3', 'r10'), add64('r3', -size)];

describe('the packet', () => {
  it('is read and written within its bounds', () => {
    const bounded: Item[] = [...pointers, mov64('r0', -1), mov64('r4', 'r2'), add64('r4', 14), jgt('r4', 'r3', 'short'), ldxb('r0', 'r2', 13), stb('r2', 0, 0xff), label('short'), exit()]; // prettier-ignore
    const result = run(bounded, { packet });
    expect(result.r0).toBe(13n);
    expect(result.packet).toEqual(Uint8Array.from([0xff, ...packet.subarray(1)]));
    expect(packet[0]).toBe(0);
    expect(signed(run(bounded, { packet: packet.subarray(0, 13) }))).toBe(-1);
    expect(() => run([...pointers, ldxb('r0', 'r3'), exit()], { packet })).toThrow('reads 1 byte');
    expect(() => run([...pointers, stb('r2', -1, 0), exit()], { packet })).toThrow('byte -1 of packet, which has 64');
  });

  it('is reached directly as far as it is linear, and further once pulled', () => {
    const load: Item[] = [ldxw('r2', 'r6', 76), ldxb('r0', 'r2', 40), exit()];
    const pull = (size: number): Item[] => [mov64('r6', 'r1'), mov64('r2', size), helper('skb_pull_data'), ...load];
    expect(() => run([mov64('r6', 'r1'), ...load], { packet, linear: 20 })).toThrow('byte 40 of packet, which has 20');
    expect(run(pull(41), { packet, linear: 20 }).r0).toBe(40n);
    expect(() => run(pull(0), { packet, linear: 20 })).toThrow('which has 20');
    expect(signed(run([...pull(65).slice(0, 3), exit()], { packet }))).toBe(-ERRNO.ENOMEM);
  });

  it.each([
    [3, 0, 0, 0],
    [0, 3, 0, 3],
    [0, 4, -ERRNO.EINVAL, 0],
    [4, 0, -ERRNO.EINVAL, 4],
  ])('of type %i becomes one of type %i: %i', (before, wanted, result, after) => {
    const changed = run([mov64('r2', wanted), helper('skb_change_type'), exit()], {
      packet,
      context: { pkt_type: before },
    });
    expect([signed(changed), changed.context?.['pkt_type']]).toEqual([result, after]);
  });

  it.each<[string, Item[]]>([
    ['skb_pull_data', [mov64('r1', 'r6'), mov64('r2', 0), helper('skb_pull_data')]],
    [
      'skb_store_bytes',
      [
        mov64('r1', 'r6'),
        mov64('r2', 0),
        ...stack(8),
        stdw('r10', -8, 0),
        mov64('r4', 4),
        mov64('r5', 0),
        helper('skb_store_bytes'),
      ],
    ],
    [
      'l3_csum_replace',
      [mov64('r1', 'r6'), mov64('r2', 24), mov64('r3', 1), mov64('r4', 2), mov64('r5', 2), helper('l3_csum_replace')],
    ],
    [
      'l4_csum_replace',
      [mov64('r1', 'r6'), mov64('r2', 24), mov64('r3', 1), mov64('r4', 2), mov64('r5', 2), helper('l4_csum_replace')],
    ],
    ['clone_redirect', [mov64('r1', 'r6'), mov64('r2', 3), mov64('r3', 0), helper('clone_redirect')]],
    ['skb_change_head', [mov64('r1', 'r6'), mov64('r2', 4), mov64('r3', 0), helper('skb_change_head')]],
    ['skb_change_tail', [mov64('r1', 'r6'), mov64('r2', 32), mov64('r3', 0), helper('skb_change_tail')]],
    ['skb_vlan_push', [mov64('r1', 'r6'), mov64('r2', 0x81), mov64('r3', 5), helper('skb_vlan_push')]],
  ])('is looked for again after %s', (_, items) => {
    expect(() => run([...pointers, mov64('r7', 'r2'), ...items, ldxb('r0', 'r7'), exit()], { packet })).toThrow(
      'the packet before a helper changed it',
    );
    expect(
      run([...pointers, ...items, ldxw('r2', 'r6', 76), ldxb('r0', 'r2'), mov64('r0', 0), exit()], { packet }).r0,
    ).toBe(0n);
  });

  it('is read by legacy loads, which end the program where there is nothing', () => {
    const legacy = (...items: Item[]): bigint =>
      run([mov64('r6', 'r1'), ...items, add64('r0', 1), exit()], { packet }).r0;
    expect(legacy(ldAbs('u32', 4))).toBe(0x0405_0608n);
    expect(legacy(mov64('r2', 8), ldInd('u16', 'r2', 2))).toBe(0x0a0cn);
    expect(legacy(ldAbs('u8', 64))).toBe(0n);
    expect(legacy(ldAbs('u8', -1))).toBe(0n);
  });
});

it('skb_load_bytes reads past the linear part, and clears what it cannot fill', () => {
  const load = (offset: number, size: number): VmResult =>
    run([stdw('r10', -8, -1), mov64('r2', offset), ...stack(8), mov64('r4', size), helper('skb_load_bytes'), mov64('r6', 'r0'), ldxw('r0', 'r10', -8), { kind: 'alu', op: 'lsh', width: 64, dst: 'r6', src: 32 }, { kind: 'alu', op: 'or', width: 64, dst: 'r0', src: 'r6' }, exit()], { packet, linear: 14 }); // prettier-ignore
  expect(load(40, 4).r0).toBe(0x2b2a_2928n);
  expect(load(62, 4).r0 >> 32n).toBe(BigInt.asUintN(32, BigInt(-ERRNO.EFAULT)));
  expect(load(62, 4).r0 & 0xffff_ffffn).toBe(0n);
});

it('skb_store_bytes writes the packet', () => {
  const store = (offset: number, flags: number): VmResult =>
    run(
      [
        stw('r10', -8, 0x4433_2211),
        mov64('r2', offset),
        ...stack(8),
        mov64('r4', 4),
        mov64('r5', flags),
        helper('skb_store_bytes'),
        exit(),
      ],
      { packet },
    );
  expect(store(60, 1).packet?.subarray(60)).toEqual(Uint8Array.of(0x11, 0x22, 0x33, 0x44));
  expect(signed(store(61, 0))).toBe(-ERRNO.EFAULT);
  expect(signed(store(0, 4))).toBe(-ERRNO.EINVAL);
});

/** The Internet checksum (RFC 1071), said plainly. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

describe('checksums', () => {
  const words = fc.uint8Array({ minLength: 20, maxLength: 20 });
  const put16 = (bytes: Uint8Array, at: number, value: number): void => bytes.set([value >>> 8, value], at);
  const same = (bytes: Uint8Array, field: number): boolean => {
    const zeroed = bytes.slice();
    put16(zeroed, field, 0);
    const stored = ((bytes[field] as number) << 8) | (bytes[field + 1] as number);
    // 0 and 0xffff are the same number in one's complement.
    return (stored - internetChecksum(zeroed)) % 0xffff === 0;
  };

  it.each(['l3_csum_replace', 'l4_csum_replace'])('%s keeps the sum right when a word changes', (name) => {
    fc.assert(
      fc.property(words, fc.integer(), fc.constantFrom(2, 4), (header, value, size) => {
        put16(header, 10, 0);
        put16(header, 10, internetChecksum(header));
        const view = new DataView(header.buffer, header.byteOffset);
        const from = size === 4 ? view.getInt32(12, true) : view.getUint16(12, true);
        const to = size === 4 ? value : value & 0xffff;
        const items = [mov64('r2', 10), mov64('r3', from), mov64('r4', to), mov64('r5', size), helper(name), exit()];
        const result = run(items, { packet: header });
        expect(result.r0).toBe(0n);
        const after = result.packet as Uint8Array;
        if (size === 4) new DataView(after.buffer).setInt32(12, to, true);
        else new DataView(after.buffer).setUint16(12, to, true);
        expect(same(after, 10)).toBe(true);
      }),
    );
  });

  it('csum_diff is what takes one stretch of bytes to another', () => {
    fc.assert(
      fc.property(words, words, (from, to) => {
        // A checksum over `from` and the difference make the checksum over `to`.
        const start = internetChecksum(from);
        const memory = Uint8Array.from([...from, ...to]);
        const diff = run([mov64('r6', 'r1'), mov64('r3', 'r1'), add64('r3', 20), mov64('r2', 20), mov64('r4', 20), mov64('r5', 0), helper('csum_diff'), exit()], { memory }).r0; // prettier-ignore
        const swapped = ((Number(diff) & 0xff) << 8) | (Number(diff) >>> 8);
        const folded = (~start & 0xffff) + swapped;
        const result = ~((folded & 0xffff) + (folded >>> 16)) & 0xffff;
        expect((result - internetChecksum(to)) % 0xffff === 0).toBe(true);
      }),
    );
  });

  it('refuse what the kernel refuses', () => {
    const replace = (name: string, offset: number, flags: number, from = 0): number =>
      signed(
        run([mov64('r2', offset), mov64('r3', from), mov64('r4', 1), mov64('r5', flags), helper(name), exit()], {
          packet,
        }),
      );
    expect(replace('l3_csum_replace', 24, 0x10)).toBe(-ERRNO.EINVAL);
    expect(replace('l3_csum_replace', 24, 3)).toBe(-ERRNO.EINVAL);
    expect(replace('l3_csum_replace', 24, 0, 5)).toBe(-ERRNO.EINVAL);
    expect(replace('l3_csum_replace', 25, 2)).toBe(-ERRNO.EFAULT);
    expect(replace('l4_csum_replace', 64, 2)).toBe(-ERRNO.EFAULT);
    expect(replace('l4_csum_replace', 24, 0x100)).toBe(-ERRNO.EINVAL);
    const zero = new Uint8Array(20);
    const udp = run(
      [mov64('r2', 10), mov64('r3', 1), mov64('r4', 2), mov64('r5', 0x22), helper('l4_csum_replace'), exit()],
      { packet: zero },
    );
    expect(udp.packet).toEqual(zero);
  });
});

describe('changes of length', () => {
  it('skb_change_head and skb_change_tail show the new length', () => {
    const head = run([mov64('r2', 14), mov64('r3', 0), helper('skb_change_head'), exit()], { packet });
    expect(head.packet).toEqual(Uint8Array.from([...new Uint8Array(14), ...packet]));
    expect(head.context).toMatchObject({ len: 78 });
    const tail = (size: number): VmResult =>
      run([mov64('r2', size), mov64('r3', 0), helper('skb_change_tail'), exit()], { packet });
    expect(tail(20).packet).toEqual(packet.slice(0, 20));
    expect(tail(66).packet).toEqual(Uint8Array.from([...packet, 0, 0]));
    expect(tail(66).context).toMatchObject({ len: 66 });
    expect(signed(tail(13))).toBe(-ERRNO.EINVAL);
  });

  it('a VLAN tag stands beside the packet, the next one in it', () => {
    const frame = Uint8Array.from([...packet.subarray(0, 12), 8, 0, 1, 2, 3, 4]);
    const push = (tci: number): Item[] => [
      mov64('r1', 'r6'),
      mov64('r2', 0x81),
      mov64('r3', tci),
      helper('skb_vlan_push'),
    ];
    const pop: Item[] = [mov64('r1', 'r6'), helper('skb_vlan_pop')];
    const once = run([mov64('r6', 'r1'), ...push(0x1005), exit()], { packet: frame });
    expect(once.packet).toEqual(frame);
    expect(once.context).toMatchObject({ vlan_present: 1, vlan_tci: 0x1005, vlan_proto: 0x81, protocol: 8 });
    const twice = run([mov64('r6', 'r1'), ...push(0x1005), ...push(7), exit()], { packet: frame });
    expect(twice.packet).toEqual(Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, 0x10, 5, ...frame.subarray(12)]));
    expect(twice.context).toMatchObject({ vlan_tci: 7, len: 22, protocol: 0x81 });
    const back = run([mov64('r6', 'r1'), ...push(0x1005), ...push(7), ...pop, ...pop, exit()], { packet: frame });
    expect(back.packet).toEqual(frame);
    expect(back.context).toMatchObject({ vlan_present: 0, len: 18, protocol: 8 });
  });

  it('XDP moves head, tail and metadata', () => {
    const adjust = (name: string, delta: number): VmResult =>
      run([mov64('r2', delta), helper(name), exit()], { packet }, 'xdp');
    expect(adjust('xdp_adjust_head', 14).packet).toEqual(packet.slice(14));
    expect(adjust('xdp_adjust_head', -8).packet?.length).toBe(72);
    expect(signed(adjust('xdp_adjust_head', 51))).toBe(-ERRNO.EINVAL);
    expect(signed(adjust('xdp_adjust_head', -257))).toBe(-ERRNO.EINVAL);
    expect(adjust('xdp_adjust_tail', -10).packet).toEqual(packet.slice(0, 54));
    expect(adjust('xdp_adjust_tail', 2).packet).toEqual(Uint8Array.from([...packet, 0, 0]));
    expect(signed(adjust('xdp_adjust_tail', -51))).toBe(-ERRNO.EINVAL);
    const meta = [
      mov64('r6', 'r1'),
      mov64('r2', -4),
      helper('xdp_adjust_meta'),
      ldxw('r2', 'r6', 8),
      stw('r2', 0, 9),
      ldxw('r0', 'r2'),
      exit(),
    ];
    expect(run(meta, { packet }, 'xdp')).toMatchObject({ r0: 9n, packet });
    expect(signed(adjust('xdp_adjust_meta', -3))).toBe(-ERRNO.EINVAL);
  });
});
