import { describe, expect, it } from 'vitest';
import {
  exit,
  ldxb,
  ldxdw,
  ldxh,
  ldxsb,
  ldxsw,
  ldxw,
  mov64,
  stb,
  stdw,
  sth,
  stw,
  type ProgramType,
} from '../../asm/index.ts';
import type { Instruction } from '../../isa/index.ts';
import {
  SK_BUFF,
  SK_LOOKUP,
  SK_MSG,
  SOCK,
  SOCK_ADDR,
  SOCK_OPS,
  Vm,
  VmSocket,
  XDP_MD,
  type ContextLayout,
  type ContextValues,
} from '../index.ts';

const LOADS = { 1: ldxb, 2: ldxh, 4: ldxw, 8: ldxdw } as const;
const STORES = { 1: stb, 2: sth, 4: stw, 8: stdw } as const;
type Size = keyof typeof LOADS;

const runs = (type: ProgramType, ...instructions: Instruction[]): boolean => {
  const vm = new Vm([...instructions, mov64('r0', 0), exit()], { type });
  try {
    vm.run({ context: {} });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_TRAP', instruction: 0 });
    return false;
  }
};
const reads = (type: ProgramType, offset: number, size: Size): boolean => runs(type, LOADS[size]('r0', 'r1', offset));
const writes = (type: ProgramType, offset: number, size: Size): boolean => runs(type, STORES[size]('r1', offset, 0));

describe('__sk_buff', () => {
  it.each<[string, number, readonly Size[], readonly Size[]]>([
    ['len', 0, [1, 2, 4], []],
    ['mark', 8, [1, 2, 4], [4]],
    ['byte 2 of mark', 10, [1, 2], []],
    ['protocol', 16, [1, 2, 4], []],
    ['ifindex', 40, [1, 2, 4], []],
    ['cb[0]', 48, [1, 2, 4, 8], [1, 2, 4, 8]],
    ['byte 1 of cb[4]', 65, [1], [1]],
    ['cb[4]', 64, [1, 2, 4], [1, 2, 4]],
    ['tc_classid', 72, [1, 2, 4], [4]],
    ['data', 76, [4], []],
    ['data_end', 80, [4], []],
    ['family, which is for sockets', 88, [], []],
    ['local_port, which is for sockets', 136, [], []],
    ['data_meta', 140, [4], []],
    ['flow_keys, which is for the dissector', 144, [], []],
    ['tstamp', 152, [8], [8]],
    ['sk', 168, [8], []],
    ['tstamp_type', 180, [1], []],
    ['the hole after it', 181, [], []],
    ['hwtstamp', 184, [8], []],
    ['beyond the end', 192, [], []],
    ['before the beginning', -4, [], []],
  ])('%s', (_, offset, readable, writable) => {
    const sizes: Size[] = [1, 2, 4, 8];
    expect(sizes.filter((size) => reads('sched_cls', offset, size))).toEqual(readable);
    expect(sizes.filter((size) => writes('sched_cls', offset, size))).toEqual(writable);
  });

  it('gives parts of a field, extended as the load says', () => {
    const context: ContextValues = { mark: 0x8182_8384 };
    const read = (load: Instruction): bigint => new Vm([load, exit()]).run({ context }).r0;
    expect(read(ldxw('r0', 'r1', 8))).toBe(0x8182_8384n);
    expect(read(ldxh('r0', 'r1', 10))).toBe(0x8182n);
    expect(read(ldxb('r0', 'r1', 9))).toBe(0x83n);
    expect(read(ldxsb('r0', 'r1', 9))).toBe(0xffff_ffff_ffff_ff83n);
    expect(read(ldxsw('r0', 'r1', 8))).toBe(0xffff_ffff_8182_8384n);
  });

  it('shows what the program wrote', () => {
    const vm = new Vm([stw('r1', 8, 0x539), stdw('r1', 56, -1), stdw('r1', 152, 5), mov64('r0', 0), exit()]);
    expect(vm.run({ context: { priority: 6 } }).context).toMatchObject({
      mark: 0x539,
      priority: 6,
      cb: [0, 0, 0xffff_ffff, 0xffff_ffff, 0],
      tstamp: 5n,
    });
  });

  it('follows from the packet where the test says nothing', () => {
    const packet = new Uint8Array(60);
    packet.set([0x86, 0xdd], 12);
    const vm = new Vm([mov64('r0', 0), exit()]);
    expect(vm.run({ packet }).context).toMatchObject({ len: 60, wire_len: 60, protocol: 0xdd86 });
    expect(vm.run({ packet, context: { protocol: 8, len: 9000 } }).context).toMatchObject({ len: 9000, protocol: 8 });
  });
});

it('xdp_md is read whole and never written', () => {
  expect([1, 2, 4, 8].map((size) => reads('xdp', 12, size as Size))).toEqual([false, false, true, false]);
  expect(writes('xdp', 16, 4)).toBe(false);
});

it('bpf_sk_lookup has a port of two bytes that four may read', () => {
  const sizes: Size[] = [1, 2, 4, 8];
  expect(sizes.filter((size) => reads('sk_lookup', 36, size))).toEqual([1, 2, 4]);
  expect(sizes.filter((size) => reads('sk_lookup', 38, size))).toEqual([1, 2]);
  expect(sizes.filter((size) => reads('sk_lookup', 0, size))).toEqual([8]);
  expect(sizes.filter((size) => reads('sk_lookup', 60, size))).toEqual([1, 2, 4]);
  expect(sizes.some((size) => writes('sk_lookup', 60, size))).toBe(false);
});

it('sk_msg, sock_ops and sock_addr are plain fields', () => {
  expect(reads('sk_msg', 68, 4) && reads('sk_msg', 0, 8)).toBe(true);
  expect(reads('sock_ops', 64, 4) && writes('sock_ops', 4, 4)).toBe(true);
  expect(writes('sock_ops', 0, 4)).toBe(false);
  expect(reads('cgroup_sock_addr', 8, 8) && writes('cgroup_sock_addr', 4, 4)).toBe(true);
  expect(writes('cgroup_sock_addr', 0, 4)).toBe(false);
});

it('a socket shows its fields', () => {
  const socket = new VmSocket('client', { family: 2, src_port: 15001, dst_port: 0xbb01 });
  const look = (load: Instruction): bigint =>
    new Vm([ldxdw('r2', 'r1', 168), load, exit()]).run({ context: {}, socket }).r0;
  expect(look(ldxw('r0', 'r2', 44))).toBe(15001n);
  expect(look(ldxh('r0', 'r2', 48))).toBe(0xbb01n);
  expect(() => look(stw('r2', 16, 1))).toThrow('socket client has no such field to write');
  expect(new Vm([ldxdw('r0', 'r1', 168), exit()]).run({ context: {} }).r0).toBe(0n);
});

it.each<[string, ContextValues]>([
  ['a field that is not there', { toString: 1 }],
  ['a pointer', { data: 1 }],
  ['a number that does not fit', { mark: 2 ** 32 }],
  ['a fraction', { mark: 0.5 }],
  ['too few elements', { cb: [1, 2] }],
  ['a number for an array', { cb: 1 }],
])('refuses %s', (_, context) => {
  expect(() => new Vm([exit()]).run({ context })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
});

it('refuses input that does not fit the type', () => {
  const wrong = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error;
  const packet = new Uint8Array(20);
  expect(() => new Vm([exit()], { type: 'sk_lookup' }).run({ packet })).toThrow(wrong);
  expect(() => new Vm([exit()]).run({ packet, linear: 21 })).toThrow(wrong);
  expect(() => new Vm([exit()], { type: 'xdp' }).run({ packet, linear: 1 })).toThrow(wrong);
  expect(() => new Vm([exit()]).run({ packet: new Uint8Array(70_000) })).toThrow(wrong);
  expect(() => new Vm([exit()], { type: 'kprobe' }).run({ packet })).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
  );
});

it.each<[ContextLayout]>([[SK_BUFF], [XDP_MD], [SK_LOOKUP], [SOCK], [SOCK_OPS], [SK_MSG], [SOCK_ADDR]])(
  '$name has its fields in order, apart and inside',
  ({ size, fields }) => {
    let end = 0;
    for (const field of fields) {
      expect(field.offset).toBeGreaterThanOrEqual(end);
      expect(field.offset % field.size).toBe(0);
      end = field.offset + field.size * (field.count ?? 1);
    }
    expect(end).toBeLessThanOrEqual(size);
  },
);
