/** `ztunnel_steer` with listeners in its slots: in the interpreter, and in the kernel by test runs. */
import { AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, Vm, VmSocket, type ObjectMap, type Program } from 'bpf-asm';
import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { createAnonymousNetns, familyOf, loadProgram, testRun, type Fd, type Netns, type Sys } from 'netlink-tc';
import {
  CONNECTION,
  Counter,
  counterIndex,
  counters,
  LISTENER,
  POD_FLAG,
  proxyCounters,
  STEERED,
  type DIRECTION,
} from '../src/maps.ts';
import type { NodeFacts } from '../src/programs/index.ts';
import { openSocket } from '../src/proxy/sockets.ts';
import { ENROLLED, putPod } from './pods.ts';

/** Pods that are in the maps. */
const PODS = {
  '10.244.1.5': { ifindex: 11, slot: 1, flags: ENROLLED },
  'fd00:1::5': { ifindex: 11, slot: 1, flags: ENROLLED },
  '192.168.9.9': { ifindex: 12, slot: 2, flags: ENROLLED },
  '10.244.1.6': { ifindex: 13, slot: 3, flags: POD_FLAG.deliver },
  'fd00:1::6': { ifindex: 13, slot: 3, flags: POD_FLAG.deliver },
} as const;

/** The proxy's own interface. */
export const PROXY_IFINDEX = 2;

/** A connection as it reaches the proxy's namespace. */
export interface Connection {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol?: number;
  /** What it came by, the proxy's own if left out; the interpreter alone can tell. */
  readonly ifindex?: number;
}

/** Every kind of listener. */
const KINDS = Object.keys(LISTENER) as (keyof typeof LISTENER)[];
const FAMILIES = ['ipv4', 'ipv6'] as const;
const protocolOf = (kind: keyof typeof LISTENER): number => (kind === 'dnsUdp' ? IPPROTO_UDP : IPPROTO_TCP);
const indexKey = (index: number): Uint8Array => new Uint8Array(Uint32Array.of(index).buffer);

/** A program with listeners in its slots. */
export interface Steering extends Disposable {
  /** What a connection gets: the listener's name, with its family, or what becomes of it without one. */
  choose(connection: Connection): string;
  /** Puts a listener, by its name, into a slot; or nothing. */
  fill(slot: number, listener: string | undefined): void;
  counted(what: keyof typeof STEERED): number;
  /** Connections that were counted for a pod's slot. */
  connections(slot: number, direction: keyof typeof DIRECTION, family: 'ipv4' | 'ipv6'): number;
}

/** The name of a listener. */
export const nameOf = (kind: keyof typeof LISTENER, family: 'ipv4' | 'ipv6'): string => `${kind} ${family}`;

/** Puts all listeners into their slots. */
export function fillAll(steering: Steering): Steering {
  for (const kind of KINDS) {
    FAMILIES.forEach((family, at) => steering.fill(LISTENER[kind] + at, nameOf(kind, family)));
  }
  return steering;
}

/** Runs the program in the interpreter. */
export function steeringInInterpreter(program: Program, podCidrs: NodeFacts['podCidrs']): Steering {
  const vm = new Vm(program);
  for (const [address, entry] of Object.entries(PODS)) putPod((name) => vm.map(name), podCidrs, address, entry);
  const slots = vm.map('listeners') as ObjectMap<VmSocket>;
  return {
    fill: (slot, listener) => {
      if (listener === undefined) {
        slots.delete(indexKey(slot));
        return;
      }
      const [kind, family] = listener.split(' ') as [keyof typeof LISTENER, string];
      const fields = { family: family === 'ipv4' ? AF_INET : AF_INET6, protocol: protocolOf(kind), state: 10 };
      slots.setObject(indexKey(slot), new VmSocket(listener, fields));
    },
    choose: ({ from, to, port, protocol = IPPROTO_TCP, ifindex = PROXY_IFINDEX }) => {
      const common = { protocol, local_port: port, ingress_ifindex: ifindex };
      const addresses =
        familyOf(from) === 'ipv4'
          ? { family: AF_INET, remote_ip4: words(from)[0] ?? 0, local_ip4: words(to)[0] ?? 0 }
          : { family: AF_INET6, remote_ip6: words(from), local_ip6: words(to) };
      const { verdict, assignedSocket } = vm.run({ context: { ...common, ...addresses } });
      return verdict === 1 ? (assignedSocket?.name ?? 'the usual') : 'refused';
    },
    counted: (what) => total(vm.map(proxyCounters.definition.name).get(indexKey(STEERED[what])) ?? new Uint8Array(0)),
    connections: (slot, direction, family) => {
      const key = indexKey(counterIndex(slot, direction, family, CONNECTION));
      return total(vm.map(counters.definition.name).get(key) ?? new Uint8Array(0), Counter.size);
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** The words that an address is of in the context: in network byte order. */
function words(address: string): number[] {
  const bytes = familyOf(address) === 'ipv4' ? ipv4Address.encode(address) : ipv6Address.encode(address);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index, true));
}

function total(values: Uint8Array, size = 8): number {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let sum = 0;
  for (let at = 0; at < values.length; at += size) sum += Number(view.getBigUint64(at, true));
  return sum;
}

const SOL_SOCKET = 1;
const SO_COOKIE = 57;

/** Sockets that listen in a namespace of their own: one of each kind and family. */
export class ListeningSockets implements Disposable {
  readonly #netns: Netns;
  readonly #sockets = new Map<string, { readonly fd: Fd; readonly cookie: bigint }>();

  constructor(sys: Sys) {
    this.#netns = createAnonymousNetns(sys);
    KINDS.forEach((kind, at) => {
      for (const family of FAMILIES) {
        const protocol = kind === 'dnsUdp' ? 'udp' : 'tcp';
        const bind = { address: family === 'ipv4' ? '0.0.0.0' : '::', port: 15000 + at };
        const fd = openSocket(sys, this.#netns, { protocol, family, bind });
        if (protocol === 'tcp' && sys.call('listen', fd.number, 5) !== 0) throw new Error('cannot listen');
        const cookie = new BigUint64Array(1);
        const [bytes, size] = [new Uint8Array(cookie.buffer), new Uint8Array(Uint32Array.of(8).buffer)];
        if (sys.call('getsockopt', fd.number, SOL_SOCKET, SO_COOKIE, bytes, size) !== 0) throw new Error('no cookie');
        this.#sockets.set(nameOf(kind, family), { fd, cookie: cookie[0] ?? 0n });
      }
    });
  }

  /** The descriptor of a socket, by its name. */
  fd(name: string): number {
    const socket = this.#sockets.get(name);
    if (socket === undefined) throw new Error(`there is no listener ${name}`);
    return socket.fd.number;
  }

  /** The name of a socket, by its cookie. */
  nameOf(cookie: bigint): string {
    return [...this.#sockets].find(([, socket]) => socket.cookie === cookie)?.[0] ?? `socket ${cookie}`;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#sockets.values()) fd.close();
    this.#netns.close();
  }
}

/** In the kernel by test runs. These take no interface that a connection came by: it is 0, and must be so in the program's facts. */
export class KernelSteering implements Steering {
  readonly #sys: Sys;
  readonly #loaded: ReturnType<typeof loadProgram>;
  readonly #sockets: ListeningSockets;

  constructor(sys: Sys, program: Program, podCidrs: NodeFacts['podCidrs'], sockets: ListeningSockets) {
    this.#sys = sys;
    this.#loaded = loadProgram(sys, program);
    this.#sockets = sockets;
    for (const [address, entry] of Object.entries(PODS)) {
      putPod((name) => ({ set: (key, value) => this.#put(name, key, value) }), podCidrs, address, entry);
    }
  }

  #raw(name: string): {
    key: Uint8Array;
    value: Uint8Array;
    lookup(): number;
    update(flags: bigint): number;
    delete(): number;
  } {
    const map = this.#loaded.maps.get(name);
    if (map === undefined) throw new Error(`there is no map ${name}`);
    return map.raw;
  }

  #put(name: string, key: Uint8Array, value: Uint8Array): void {
    const map = this.#raw(name);
    map.key.set(key);
    map.value.set(value);
    const result = map.update(0n);
    if (result !== 0) throw new Error(`${name} cannot be written: ${result}`);
  }

  fill(slot: number, listener: string | undefined): void {
    if (listener === undefined) {
      const map = this.#raw('listeners');
      map.key.set(indexKey(slot));
      map.delete();
      return;
    }
    const bytes = new Uint8Array(this.#raw('listeners').value.length);
    new DataView(bytes.buffer).setUint32(0, this.#sockets.fd(listener), true);
    this.#put('listeners', indexKey(slot), bytes);
  }

  choose({ from, to, port, protocol = IPPROTO_TCP }: Connection): string {
    const context = new Uint8Array(72);
    const view = new DataView(context.buffer);
    const isIpv4 = familyOf(from) === 'ipv4';
    view.setUint32(8, isIpv4 ? AF_INET : AF_INET6, true);
    view.setUint32(12, protocol, true);
    context.set(isIpv4 ? ipv4Address.encode(from) : ipv6Address.encode(from), isIpv4 ? 16 : 20);
    view.setUint16(36, 40000);
    context.set(isIpv4 ? ipv4Address.encode(to) : ipv6Address.encode(to), isIpv4 ? 40 : 44);
    view.setUint32(60, port, true);
    const { result, context: after } = testRun(this.#sys, this.#loaded, { data: null, context });
    if (result !== 1) return 'refused';
    const cookie = new DataView(after.buffer, after.byteOffset).getBigUint64(0, true);
    return cookie === 0n ? 'the usual' : this.#sockets.nameOf(cookie);
  }

  counted(what: keyof typeof STEERED): number {
    const map = this.#raw(proxyCounters.definition.name);
    map.key.set(indexKey(STEERED[what]));
    if (map.lookup() !== 0) throw new Error(`${what} cannot be read`);
    return total(map.value);
  }

  connections(slot: number, direction: keyof typeof DIRECTION, family: 'ipv4' | 'ipv6'): number {
    const map = this.#raw(counters.definition.name);
    map.key.set(indexKey(counterIndex(slot, direction, family, CONNECTION)));
    if (map.lookup() !== 0) throw new Error('connections cannot be read');
    return total(map.value, Counter.size);
  }

  [Symbol.dispose](): void {
    this.#loaded.close();
  }
}
