import { array, be16, be32, i16, i32, struct, u16, u32, u8, type Layout } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import { malformed, policy, type AttributeKind, type Attributes, type Policy } from '../netlink/index.ts';
import type { MessageWriter } from '../netlink/writer.ts';
import { ACTIONS, type Action } from './action.ts';

/** `struct tc_ratespec`; `rate` is in bytes a second. */
export interface RateSpec {
  readonly cellLog: number;
  readonly linkLayer: number;
  readonly overhead: number;
  readonly cellAlign: number;
  readonly mpu: number;
  readonly rate: number;
}

/** `struct tc_tbf_qopt`. */
export interface TbfParameters {
  readonly rate: RateSpec;
  readonly peak: RateSpec;
  /** Bytes that may wait. */
  readonly limit: number;
  /** In the kernel's ticks: give `burst` instead. */
  readonly buffer: number;
  readonly mtu: number;
}

/** Options of `tbf`, `TCA_TBF_*`. {@link tbf} makes them of what one wants to say. */
export interface TbfOptions extends Attributes {
  readonly parameters?: TbfParameters | undefined;
  /** Bytes a second, where they are 2^32 or more. */
  readonly rate64?: bigint | undefined;
  readonly burst?: number | undefined;
}

/** Options of `prio`: `struct tc_prio_qopt`. */
export interface PrioOptions {
  readonly bands: number;
  /** The band of each of the 16 priorities. */
  readonly priomap: readonly number[];
}

/** Options of `pfifo` and `bfifo`: `struct tc_fifo_qopt`. */
export interface FifoOptions {
  /** Packets or bytes that may wait. */
  readonly limit: number;
}

/** Options of `fq`, `TCA_FQ_*`. */
export interface FqOptions extends Attributes {
  readonly limit?: number | undefined;
  readonly flowLimit?: number | undefined;
  readonly quantum?: number | undefined;
  readonly initialQuantum?: number | undefined;
  readonly pacing?: number | undefined;
  /** Bytes a second. */
  readonly maxRate?: number | undefined;
  readonly lowRateThreshold?: number | undefined;
}

/** One comparison of `u32`: `(word at offset & mask) == value`. */
export interface U32Key {
  readonly mask: number;
  readonly value: number;
  readonly offset: number;
  readonly offsetMask: number;
}

/** What `u32` compares: `struct tc_u32_sel`. */
export interface U32Selector {
  /** `TC_U32_*`; 1, terminal, is what matching filters need. */
  readonly flags: number;
  readonly keys: readonly U32Key[];
}

/** Options of the `u32` filter, `TCA_U32_*`. */
export interface U32Options extends Attributes {
  readonly classId?: number | undefined;
  readonly hash?: number | undefined;
  readonly link?: number | undefined;
  readonly divisor?: number | undefined;
  readonly selector?: U32Selector | undefined;
  readonly actions?: readonly Action[] | undefined;
  readonly flags?: number | undefined;
}

/** Options of the `matchall` filter, `TCA_MATCHALL_*`. */
export interface MatchallOptions extends Attributes {
  readonly classId?: number | undefined;
  readonly actions?: readonly Action[] | undefined;
  readonly flags?: number | undefined;
}

/** Options of the `bpf` filter, `TCA_BPF_*`. */
export interface BpfFilterOptions extends Attributes {
  readonly actions?: readonly Action[] | undefined;
  readonly classId?: number | undefined;
  /** Descriptor of a `sched_cls` program; only to give. */
  readonly fd?: number | undefined;
  /** What `tc filter show` calls it. */
  readonly name?: string | undefined;
  /** {@link BPF_DIRECT_ACTION}. */
  readonly flags?: number | undefined;
  readonly genericFlags?: number | undefined;
  /** Tag and id of the program; only told. */
  readonly tag?: Uint8Array | undefined;
  readonly id?: number | undefined;
}

/** `TCA_BPF_FLAG_ACT_DIRECT`: what the program returns is what becomes of the packet. */
export const BPF_DIRECT_ACTION = 1;

const RATE = struct('tc_ratespec', { cellLog: u8, linkLayer: u8, overhead: u16, cellAlign: i16, mpu: u16, rate: u32 });
const TBF_PARAMETERS: Layout<TbfParameters, TbfParameters> = native(
  struct('tc_tbf_qopt', { rate: RATE, peak: RATE, limit: u32, buffer: u32, mtu: u32 }),
);
const PRIO = native(struct('tc_prio_qopt', { bands: i32, priomap: array(u8, 16) })) as unknown as Layout<
  PrioOptions,
  PrioOptions
>;
const FIFO: Layout<FifoOptions, FifoOptions> = native(struct('tc_fifo_qopt', { limit: u32 }));

const TBF: Policy<TbfOptions> = policy<TbfOptions>({
  parameters: [1, 'TCA_TBF_PARMS', a.structure(TBF_PARAMETERS)],
  rate64: [4, 'TCA_TBF_RATE64', a.u64],
  burst: [6, 'TCA_TBF_BURST', a.u32],
});

const FQ: Policy<FqOptions> = policy<FqOptions>({
  limit: [1, 'TCA_FQ_PLIMIT', a.u32],
  flowLimit: [2, 'TCA_FQ_FLOW_PLIMIT', a.u32],
  quantum: [3, 'TCA_FQ_QUANTUM', a.u32],
  initialQuantum: [4, 'TCA_FQ_INITIAL_QUANTUM', a.u32],
  pacing: [5, 'TCA_FQ_RATE_ENABLE', a.u32],
  maxRate: [7, 'TCA_FQ_FLOW_MAX_RATE', a.u32],
  lowRateThreshold: [11, 'TCA_FQ_LOW_RATE_THRESHOLD', a.u32],
});

const SELECTOR_FIELDS = {
  flags: u8,
  offshift: u8,
  nkeys: u8,
  offmask: be16,
  off: u16,
  offoff: i16,
  hoff: i16,
  hmask: be32,
} as const;
const SELECTOR = native(struct('tc_u32_sel', SELECTOR_FIELDS));
const KEY: Layout<U32Key, U32Key> = native(
  struct('tc_u32_key', { mask: be32, value: be32, offset: i32, offsetMask: i32 }),
);
const KEY_KIND: AttributeKind<U32Key> = a.structure(KEY);

/** `TCA_U32_SEL`: a struct and its keys. */
const U32_SELECTOR: AttributeKind<U32Selector> = {
  label: 'struct tc_u32_sel and its keys',
  min: SELECTOR.size,
  max: SELECTOR.size + 255 * KEY.size,
  nested: false,
  write(writer: MessageWriter, { flags, keys }: U32Selector): void {
    if (keys.length > 255) throw writer.refuse(`has ${keys.length} keys, and 255 are the most`);
    const head = { flags, offshift: 0, nkeys: keys.length, offmask: 0, off: 0, offoff: 0, hoff: 0, hmask: 0 };
    writer.struct(SELECTOR.size, (into, at) => SELECTOR.write(head, into, at));
    for (const key of keys) KEY_KIND.write(writer, key, {});
  },
  read(data: Uint8Array): U32Selector {
    const { flags, nkeys } = SELECTOR.read(data, 0);
    if (data.length < SELECTOR.size + nkeys * KEY.size) throw malformed(`${nkeys} keys of u32 in ${data.length} bytes`);
    return { flags, keys: Array.from({ length: nkeys }, (_, i) => KEY.read(data, SELECTOR.size + i * KEY.size)) };
  },
};

const U32: Policy<U32Options> = policy<U32Options>({
  classId: [1, 'TCA_U32_CLASSID', a.u32],
  hash: [2, 'TCA_U32_HASH', a.u32],
  link: [3, 'TCA_U32_LINK', a.u32],
  divisor: [4, 'TCA_U32_DIVISOR', a.u32],
  selector: [5, 'TCA_U32_SEL', U32_SELECTOR],
  actions: [7, 'TCA_U32_ACT', ACTIONS],
  flags: [11, 'TCA_U32_FLAGS', a.u32],
});

const MATCHALL: Policy<MatchallOptions> = policy<MatchallOptions>({
  classId: [1, 'TCA_MATCHALL_CLASSID', a.u32],
  actions: [2, 'TCA_MATCHALL_ACT', ACTIONS],
  flags: [3, 'TCA_MATCHALL_FLAGS', a.u32],
});

const BPF: Policy<BpfFilterOptions> = policy<BpfFilterOptions>({
  actions: [1, 'TCA_BPF_ACT', ACTIONS],
  classId: [3, 'TCA_BPF_CLASSID', a.u32],
  fd: [6, 'TCA_BPF_FD', a.u32],
  name: [7, 'TCA_BPF_NAME', a.text(255)],
  flags: [8, 'TCA_BPF_FLAGS', a.u32],
  genericFlags: [9, 'TCA_BPF_FLAGS_GEN', a.u32],
  tag: [10, 'TCA_BPF_TAG', a.bytes(8, 8)],
  id: [11, 'TCA_BPF_ID', a.u32],
});

/** `TCA_OPTIONS` by kind of qdisc. */
export const QDISC_OPTIONS: Readonly<Record<string, AttributeKind>> = {
  tbf: a.nest(TBF),
  fq: a.nest(FQ),
  prio: a.structure(PRIO),
  pfifo_fast: a.structure(PRIO),
  pfifo: a.structure(FIFO),
  bfifo: a.structure(FIFO),
};

/** `TCA_OPTIONS` by kind of filter. */
export const FILTER_OPTIONS: Readonly<Record<string, AttributeKind>> = {
  bpf: a.nest(BPF),
  u32: a.nest(U32),
  matchall: a.nest(MATCHALL),
};

const ETHERNET = 1;

/**
 * Options of a token bucket.
 * @param limits `rate` in bytes a second; `burst` bytes that may go at once, at least a packet; `limit` bytes that may wait
 */
export function tbf(limits: { readonly rate: number; readonly burst: number; readonly limit: number }): TbfOptions {
  const { rate, burst, limit } = limits;
  const none = { cellLog: 0, linkLayer: 0, overhead: 0, cellAlign: 0, mpu: 0, rate: 0 };
  const large = rate >= 2 ** 32;
  return {
    parameters: {
      // With a link layer named, the kernel needs no table of transmission times.
      rate: { ...none, linkLayer: ETHERNET, rate: large ? 2 ** 32 - 1 : rate },
      peak: none,
      limit,
      buffer: 0,
      mtu: 0,
    },
    rate64: large ? BigInt(rate) : undefined,
    burst,
  };
}

/** A `u32` selector that matches every packet. */
export const U32_ALL: U32Selector = { flags: 1, keys: [{ mask: 0, value: 0, offset: 0, offsetMask: 0 }] };
