import type { JumpOp, LoadType } from '../src/isa/index.ts';
import {
  ALL_EFFECTS,
  FunctionBuilder,
  type IrBlock,
  type IrEffects,
  type IrFunction,
  type IrValue,
} from '../src/compile/index.ts';

const LOOKUP: IrEffects = { writes: [], removable: true };
const REDIRECT: IrEffects = { writes: [], removable: false };
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const NEXT = -1;
const DROP = 2;

/** Writes a program the way a front end does: straight from what the author says, nothing done by hand that a compiler does. */
class Sketch {
  readonly b: FunctionBuilder = new FunctionBuilder('main', 1);
  readonly context: IrValue = this.b.param(0);

  field(offset: number): IrValue {
    return this.b.load('u32', this.context, offset, 'context');
  }

  number(value: number | bigint): IrValue {
    return this.b.constant(value);
  }

  packet(type: LoadType, base: IrValue, offset: number): IrValue {
    return this.b.load(type, base, offset, 'packet');
  }

  /** A field in network order, as a number of the host. */
  network(bits: 16 | 32, base: IrValue, offset: number): IrValue {
    return this.b.swap('be', bits, this.packet(bits === 16 ? 'u16' : 'u32', base, offset));
  }

  plus(a: IrValue, bytes: number): IrValue {
    return this.b.alu('add', a, this.number(bytes));
  }

  /** Returns a verdict where a comparison holds. */
  leaveIf(compare: JumpOp, a: IrValue, b: IrValue, verdict: number): void {
    const [leave, stay] = [this.b.block(), this.b.block()];
    this.b.branch(compare, a, b, leave, stay, { unlikely: 'yes' });
    this.b.enter(leave);
    this.b.return(this.number(verdict));
    this.b.enter(stay);
  }

  /** Leaves with a verdict where the packet does not have so many bytes from `base` on. */
  need(base: IrValue, bytes: number, end: IrValue, verdict: number): void {
    this.leaveIf('jgt', this.plus(base, bytes), end, verdict);
  }

  /** Branches with a block for each side and one where they meet. */
  choose(compare: JumpOp, a: IrValue, b: number, yes: () => void, no: () => void): void {
    const [first, second, after] = [this.b.block(), this.b.block(), this.b.block()];
    this.b.branch(compare, a, this.number(b), first, second);
    this.#arm(first, after, yes);
    this.#arm(second, after, no);
    this.b.enter(after);
  }

  #arm(block: IrBlock, after: IrBlock, body: () => void): void {
    this.b.enter(block);
    body();
    this.b.jump(after);
  }

  helper(id: number, args: readonly (IrValue | number)[], effects: IrEffects = REDIRECT): IrValue {
    const values = args.map((arg) => (typeof arg === 'number' ? this.number(arg) : arg));
    return this.b.call({ kind: 'helper', id }, values, effects);
  }

  /** A look-up with a key of words that are stored on the stack, in the order of bytes that they have. */
  lookUp(map: string, words: readonly IrValue[]): IrValue {
    const slot = this.b.stackSlot(4 * words.length, words.length > 1 ? 8 : 4, `key of ${map}`);
    const key = this.b.stackAddress(slot);
    words.forEach((_, index) => this.b.store('u32', key, 4 * index, this.number(0), 'stack'));
    words.forEach((word, index) => this.b.store('u32', key, 4 * index, word, 'stack'));
    return this.helper(1, [this.b.map(map), key], LOOKUP);
  }

  count(key: IrValue): void {
    const value = this.lookUp('counters', [key]);
    this.choose('jne', value, 0, () => this.#increment(value), nothing);
  }

  #increment(value: IrValue): void {
    const counter = this.b.load('u64', value, 0, 'map');
    this.b.store('u64', value, 0, this.plus(counter, 1), 'map');
  }

  finish(): IrFunction {
    return this.b.finish();
  }
}

function nothing(): void {}

function skb(): { s: Sketch; data: IrValue; end: IrValue } {
  const s = new Sketch();
  return { s, data: s.field(76), end: s.field(80) };
}

function outbound4(): IrFunction {
  const { s, data, end } = skb();
  s.need(data, 14, end, NEXT);
  s.leaveIf('jne', s.network(16, data, 12), s.number(ETH_P_IP), NEXT);
  const ip = s.plus(data, 14);
  s.need(ip, 20, end, NEXT);
  s.leaveIf('jne', s.packet('u8', ip, 9), s.number(6), NEXT);
  s.leaveIf('jne', s.b.alu('and', s.network(16, ip, 6), s.number(0x1fff)), s.number(0), NEXT);
  s.leaveIf('jne', s.network(32, ip, 12), s.number(0x0af40105), DROP);
  s.leaveIf('jeq', s.b.alu('and', s.network(32, ip, 16), s.number(0xffff0000n)), s.number(0xa9fe0000n), NEXT);
  s.b.return(s.helper(155, [7, 0]));
  return s.finish();
}

function dispatch4(): IrFunction {
  const { s, data, end } = skb();
  s.need(data, 14, end, NEXT);
  s.leaveIf('jne', s.network(16, data, 12), s.number(ETH_P_IP), NEXT);
  const ip = s.plus(data, 14);
  s.need(ip, 20, end, NEXT);
  const pod = s.lookUp('pods', [s.packet('u32', ip, 16)]);
  s.leaveIf('jeq', pod, s.number(0), NEXT);
  s.count(s.number(3));
  s.b.return(s.helper(155, [s.b.load('u32', pod, 0, 'map'), s.number(0)]));
  return s.finish();
}

function inbound4(): IrFunction {
  const { s, data, end } = skb();
  const ingress = s.field(36);
  s.leaveIf('jeq', ingress, s.number(9), NEXT);
  s.need(data, 14, end, NEXT);
  s.leaveIf('jne', s.network(16, data, 12), s.number(ETH_P_IP), NEXT);
  const ip = s.plus(data, 14);
  s.need(ip, 20, end, NEXT);
  s.leaveIf('jne', s.packet('u8', ip, 9), s.number(6), NEXT);
  s.choose('jeq', s.network(32, ip, 12), 0x0af40101, () => s.leaveIf('jeq', s.field(36), s.number(0), NEXT), nothing);
  s.b.store('u32', data, 0, s.number(0x12345678), 'packet');
  s.b.store('u16', data, 4, s.number(0x9abc), 'packet');
  s.b.return(s.helper(23, [9, 0]));
  return s.finish();
}

function xdpCounter(): IrFunction {
  const s = new Sketch();
  const [data, end] = [s.field(0), s.field(4)];
  s.need(data, 14, end, DROP);
  const key = s.b.variable(s.number(255));
  const type = s.network(16, data, 12);
  const network = s.plus(data, 14);
  s.choose(
    'jeq',
    type,
    ETH_P_IP,
    () => {
      s.need(network, 20, end, DROP);
      s.b.set(key, s.packet('u8', network, 9));
    },
    () =>
      s.choose(
        'jeq',
        type,
        ETH_P_IPV6,
        () => {
          s.need(network, 40, end, DROP);
          s.b.set(key, s.packet('u8', network, 6));
        },
        nothing,
      ),
  );
  s.count(s.b.get(key));
  s.b.return(s.number(DROP));
  return s.finish();
}

function vipDrop(): IrFunction {
  const s = new Sketch();
  const slot = s.b.stackSlot(28, 8, 'tunnel key');
  const key = s.b.stackAddress(slot);
  for (let offset = 0; offset < 28; offset += 4) s.b.store('u32', key, offset, s.number(0), 'stack');
  const got = s.helper(20, [s.context, key, 28, 0], { writes: ['stack'], removable: false });
  s.leaveIf('jslt', got, s.number(0), DROP);
  s.leaveIf('jne', s.b.load('u32', key, 0, 'stack'), s.number(100), 0);
  const [data, end] = [s.field(76), s.field(80)];
  s.need(data, 14, end, DROP);
  const type = s.network(16, data, 12);
  const network = s.plus(data, 14);
  s.choose(
    'jeq',
    type,
    ETH_P_IP,
    () => {
      s.need(network, 20, end, DROP);
      s.leaveIf('jeq', s.network(32, network, 16), s.number(0x0a000001), DROP);
    },
    () =>
      s.choose(
        'jeq',
        type,
        ETH_P_IPV6,
        () => {
          s.need(network, 40, end, DROP);
          const other = s.b.block();
          for (const [index, word] of [0xfd000000, 0, 0].entries()) {
            const same = s.b.block();
            s.b.branch('jeq', s.network(32, network, 24 + 4 * index), s.number(word), same, other);
            s.b.enter(same);
          }
          const vip = s.b.block();
          s.b.branch('jeq', s.network(32, network, 36), s.number(1), vip, other);
          s.b.enter(vip);
          s.b.return(s.number(DROP));
          s.b.enter(other);
        },
        nothing,
      ),
  );
  s.b.return(s.number(0));
  return s.finish();
}

function firewall(): IrFunction {
  const s = new Sketch();
  const [data, end] = [s.field(0), s.field(4)];
  s.need(data, 14, end, DROP);
  s.leaveIf('jne', s.network(16, data, 12), s.number(ETH_P_IP), DROP);
  const ip = s.plus(data, 14);
  s.need(ip, 20, end, DROP);
  const protocol = s.packet('u8', ip, 9);
  s.choose('jne', protocol, 6, () => s.leaveIf('jne', protocol, s.number(17), DROP), nothing);
  const words = s.b.alu('and', s.packet('u8', ip, 0), s.number(15));
  const ports = s.b.alu('add', ip, s.b.alu('mul', words, s.number(4)));
  s.need(ports, 4, end, 1);
  const port = s.network(16, ports, 2);
  s.choose('jne', port, 22, () => s.leaveIf('jne', port, s.number(80), DROP), nothing);
  const rule = s.lookUp('deny', [s.number(32), s.packet('u32', ip, 12)]);
  s.leaveIf('jeq', rule, s.number(0), DROP);
  s.leaveIf('jne', s.b.load('u32', rule, 0, 'map'), s.number(0), 1);
  s.b.return(s.number(DROP));
  return s.finish();
}

function steer(): IrFunction {
  const s = new Sketch();
  s.leaveIf('jne', s.field(64), s.number(2), 1);
  s.leaveIf('jne', s.field(8), s.number(2), 1);
  s.leaveIf('jne', s.field(12), s.number(6), 1);
  const pod = s.lookUp('pods', [s.field(16)]);
  const which = s.b.variable(s.number(0));
  s.choose('jne', pod, 0, nothing, () =>
    s.choose(
      'jeq',
      s.field(60),
      15008,
      () => s.b.set(which, s.number(1)),
      () => s.b.set(which, s.number(2)),
    ),
  );
  const socket = s.helper(1, [s.b.map('listeners'), slotKey(s, s.b.get(which))], { writes: [], removable: false });
  s.leaveIf('jeq', socket, s.number(0), 0);
  const failed = s.helper(124, [s.context, socket, 0], ALL_EFFECTS);
  s.helper(86, [socket], ALL_EFFECTS);
  s.leaveIf('jne', failed, s.number(0), 0);
  s.b.return(s.number(1));
  return s.finish();
}

function slotKey(s: Sketch, word: IrValue): IrValue {
  const address = s.b.stackAddress(s.b.stackSlot(4, 4, 'slot'));
  s.b.store('u32', address, 0, word, 'stack');
  return address;
}

function dualStack(): IrFunction {
  const { s, data, end } = skb();
  s.need(data, 14, end, NEXT);
  const type = s.network(16, data, 12);
  const network = s.plus(data, 14);
  const words = Array.from({ length: 4 }, () => s.b.variable(s.number(0)));
  const set = (values: readonly IrValue[]): void =>
    values.forEach((value, index) => s.b.set(words[index] as (typeof words)[number], value));
  s.choose(
    'jeq',
    type,
    ETH_P_IP,
    () => {
      s.need(network, 20, end, NEXT);
      s.leaveIf('jne', s.packet('u8', network, 9), s.number(6), NEXT);
      s.leaveIf('jne', s.network(32, network, 12), s.number(0x0af40105), DROP);
      set([s.number(0), s.number(0), s.number(0xffff0000), s.packet('u32', network, 16)]);
    },
    () => {
      s.leaveIf('jne', type, s.number(ETH_P_IPV6), NEXT);
      s.need(network, 40, end, NEXT);
      s.leaveIf('jne', s.packet('u8', network, 6), s.number(6), NEXT);
      for (const [index, word] of [0xfd000000, 0, 0, 5].entries()) {
        s.leaveIf('jne', s.network(32, network, 8 + 4 * index), s.number(word), DROP);
      }
      set([24, 28, 32, 36].map((offset) => s.packet('u32', network, offset)));
    },
  );
  const found = s.lookUp(
    'pods6',
    words.map((word) => s.b.get(word)),
  );
  s.leaveIf('jne', found, s.number(0), NEXT);
  s.b.return(s.helper(155, [7, 0]));
  return s.finish();
}

/** A program for the tests of the compiler. */
export interface Piece {
  readonly name: string;
  readonly type: 'sched_cls' | 'xdp' | 'sk_lookup';
  /** How many instructions clang 14 makes of its twin in C (`-O2 -target bpf -mcpu=v3`). */
  readonly clang: number;
  build(): IrFunction;
}

/** Programs of the kinds that the data plane is made of. */
export const PIECES: readonly Piece[] = [
  { name: 'outbound capture', type: 'sched_cls', clang: 27, build: outbound4 },
  { name: 'dispatch by address', type: 'sched_cls', clang: 31, build: dispatch4 },
  { name: 'inbound with bypass', type: 'sched_cls', clang: 25, build: inbound4 },
  { name: 'counter per protocol', type: 'xdp', clang: 30, build: xdpCounter },
  { name: 'drop by virtual address', type: 'sched_cls', clang: 51, build: vipDrop },
  { name: 'firewall with prefixes', type: 'xdp', clang: 43, build: firewall },
  { name: 'socket steering', type: 'sk_lookup', clang: 41, build: steer },
  { name: 'dual stack capture', type: 'sched_cls', clang: 57, build: dualStack },
];
