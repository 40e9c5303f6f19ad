import { describe, expect, it, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { refused } from '../../test/language.ts';
import { loadProgram } from '../../test/kernel.ts';
import { ATTACH_TYPE, PROGRAM_TYPE, type Program } from '../asm/index.ts';
import { encode } from '../isa/index.ts';
import { runProgram } from '../vm/index.ts';
import type { ContextFields } from './context.ts';
import { SK_BUFF_FIELDS, CGROUP_SKB_FIELDS } from './contexts/sk-buff.ts';
import { SK_LOOKUP_FIELDS } from './contexts/sk-lookup.ts';
import { SK_MSG_FIELDS } from './contexts/sk-msg.ts';
import { SOCK_ADDR_FIELDS } from './contexts/sock-addr.ts';
import { SOCK_OPS_FIELDS } from './contexts/sock-ops.ts';
import { XDP_MD_FIELDS } from './contexts/xdp-md.ts';
import {
  all,
  cgroupSkb,
  cgroupSockAddr,
  schedCls,
  skLookup,
  skMsg,
  sockOps,
  when,
  xdp,
  type Condition,
  type Ended,
} from './index.ts';
import type { u32 } from '../layout/index.ts';
import type { HostValue, WireValue } from './value.ts';
import { BytesValue } from './bytes-value.ts';
import { isValue } from './typed.ts';
import type { ArrayView } from './view.ts';

const options = { licence: 'Apache-2.0' } as const;
/** Does something with the context, and gives what depends on it. */
type Touch = (context: unknown) => Condition;

/** Programs that do something with their context, by the table of its fields. */
const KINDS: readonly (readonly [name: string, fields: ContextFields, make: (touch: Touch) => Program])[] = [
  ['__sk_buff at tc', SK_BUFF_FIELDS, (touch) => schedCls('p', options, ({ skb, ok, drop }) => when(touch(skb), ok, drop))],
  ['__sk_buff in a cgroup', CGROUP_SKB_FIELDS, (touch) => cgroupSkb('p', { ...options, attach: 'cgroup_inet_ingress' }, ({ skb, allow, deny }) => when(touch(skb), allow, deny))],
  ['xdp_md', XDP_MD_FIELDS, (touch) => xdp('p', { ...options, attach: 'xdp_devmap' }, ({ packet, pass, drop }) => when(touch(packet), pass, drop))],
  ['bpf_sk_lookup', SK_LOOKUP_FIELDS, (touch) => skLookup('p', options, ({ connection, pass, drop }) => when(touch(connection), pass, drop))],
  ['bpf_sock_ops', SOCK_OPS_FIELDS, (touch) => sockOps('p', options, ({ event, done, ret }) => when(touch(event), done, () => ret(0)))],
  ['sk_msg_md', SK_MSG_FIELDS, (touch) => skMsg('p', options, ({ message, pass, drop }) => when(touch(message), pass, drop))],
  ['bpf_sock_addr for IPv4', only(SOCK_ADDR_FIELDS, /^(?!.*Ip6|msg)/), (touch) => cgroupSockAddr('p', { ...options, attach: 'cgroup_inet4_connect' }, ({ call, allow, deny }) => when(touch(call), allow, deny))],
  ['bpf_sock_addr for IPv6', only(SOCK_ADDR_FIELDS, /Ip6/), (touch) => cgroupSockAddr('p', { ...options, attach: 'cgroup_udp6_sendmsg' }, ({ call, allow, deny }) => when(touch(call), allow, deny))],
  ['bpf_sock_addr for datagrams', only(SOCK_ADDR_FIELDS, /^msgSrcIp4/), (touch) => cgroupSockAddr('p', { ...options, attach: 'cgroup_udp4_sendmsg' }, ({ call, allow, deny }) => when(touch(call), allow, deny))],
]; // prettier-ignore

function only(fields: ContextFields, pattern: RegExp): ContextFields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => pattern.test(name)));
}

/** A condition that takes every part of a field, so that the compiler cannot leave a load out. */
function use(context: unknown, name: string): Condition {
  const value = (context as Readonly<Record<string, unknown>>)[name];
  if (isValue(value)) return (value as HostValue<'u32'>).ne(1);
  if (value instanceof BytesValue) return value.eq(Uint8Array.from({ length: 16 }, (_, i) => i));
  const words = value as ArrayView<typeof u32>;
  return all(...Array.from({ length: words.length }, (_, i) => words.at(i).get().ne(i)));
}

describeWith([root], 'the verifier', () => {
  describe.each(KINDS)('of %s', (_name, fields, make) => {
    it.each(Object.entries(fields))('allows what the table says of %s', (name, field) => {
      const program = make((context) => {
        const condition = use(context, name);
        if (field.writable !== true) return condition;
        if (field.type === 'ipv6') (context as Record<string, BytesValue<'ipv6'>>)[name]?.set('fd00::1');
        else if (field.type !== 'words') (context as { set(values: object): void }).set({ [name]: 0 });
        else (context as Record<string, ArrayView<typeof u32>>)[name]?.at(1).set(0);
        return condition;
      });
      expect(program.instructions.some(({ kind }) => kind === 'load')).toBe(true);
      const attachType = program.expectedAttachType === undefined ? 0 : ATTACH_TYPE[program.expectedAttachType];
      const loaded = loadProgram(encode(program.instructions), {
        type: PROGRAM_TYPE[program.type],
        attachType,
        licence: program.licence,
        logLevel: 1,
      });
      loaded.close();
      expect(loaded.fd < 0 ? loaded.log : '').toBe('');
    });
  });
});

test('fields have their types', () => {
  const program = schedCls('types', options, ({ skb, ret }): Ended => {
    const protocol: WireValue<'be16'> = skb.protocol;
    skb.set({ mark: skb.len, priority: 7, tstamp: 5n });
    skb.cb.at(3).set(9);
    // @ts-expect-error len cannot be written
    expect(() => skb.set({ len: 1 })).toThrow(/__sk_buff.len cannot be written/);
    // @ts-expect-error there is no such field
    expect(() => skb.set({ size: 1 })).toThrow(/has no field size to set/);
    return ret(protocol.toHost());
  });
  const { verdict, context } = runProgram(program, { packet: new Uint8Array(60), context: { protocol: 0xdd86 } });
  expect(verdict).toBe(0x86dd);
  expect(context).toMatchObject({ mark: 60, priority: 7, tstamp: 5n, cb: [0, 0, 0, 9, 0] });
  expect(refused(({ skb }) => skb.set({ mark: 2 ** 32 })).message).toMatch(/out of the range of u32/);
});
