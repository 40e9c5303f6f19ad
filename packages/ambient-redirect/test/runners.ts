/** Programs at tc hooks on packets: in the interpreter, and in the kernel by test runs, for tests that ask both the same. */
import { Vm, type Program, type VmOptions } from 'bpf-asm';
import { loadProgram, testRun, type Sys } from 'netlink-tc';
import { counters, Counter } from '../src/maps.ts';
import type { ByteMap } from './pods.ts';

/** What is known of a packet besides its bytes: what a test run in the kernel can set, too. */
export interface Arrival {
  readonly ingressIfindex?: number;
}

/** What became of a packet. */
export interface Outcome {
  /** The return value, signed. */
  readonly verdict: number;
  readonly packet: Uint8Array;
}

/** A program that is ready to run, with its maps. */
export interface Runner extends Disposable {
  run(packet: Uint8Array, arrival?: Arrival): Outcome;
  map(name: string): ByteMap;
  /** Packets and bytes of an entry of `counters`. */
  counted(index: number): { readonly packets: number; readonly bytes: number };
}

const indexKey = (index: number): Uint8Array => new Uint8Array(Uint32Array.of(index).buffer);

/** The sum of what each CPU counted. */
function total(values: Uint8Array): { readonly packets: number; readonly bytes: number } {
  const sum = { packets: 0, bytes: 0 };
  for (let at = 0; at < values.length; at += Counter.size) {
    const { packets, bytes } = Counter.decode(values, at);
    sum.packets += Number(packets);
    sum.bytes += Number(bytes);
  }
  return sum;
}

/** Runs a program in the interpreter. */
export function inInterpreter(program: Program, options: VmOptions = {}): Runner {
  const vm = new Vm(program, options);
  return {
    run: (packet, { ingressIfindex = 1 } = {}) => {
      const result = vm.run({ packet, context: { ifindex: 1, ingress_ifindex: ingressIfindex } });
      return { verdict: result.verdict, packet: result.packet ?? new Uint8Array(0) };
    },
    map: (name) => vm.map(name),
    counted: (index) => total(vm.map(counters.definition.name).get(indexKey(index)) ?? new Uint8Array(0)),
    [Symbol.dispose]: () => undefined,
  };
}

/** Runs a program in the kernel. */
export function inKernel(sys: Sys, program: Program): Runner {
  const loaded = loadProgram(sys, program);
  const raw = (
    name: string,
  ): { readonly key: Uint8Array; readonly value: Uint8Array; lookup(): number; update(flags: bigint): number } => {
    const map = loaded.maps.get(name);
    if (map === undefined) throw new Error(`${program.name} has no map ${name}`);
    return map.raw;
  };
  return {
    run: (packet, { ingressIfindex = 1 } = {}) => {
      const context = new Uint8Array(192);
      // `ingress_ifindex` and `ifindex` of struct __sk_buff; the test run wants an interface that is there.
      new Uint32Array(context.buffer).set([ingressIfindex, 1], 9);
      const { result, data } = testRun(sys, loaded, { data: packet, context });
      return { verdict: result | 0, packet: data.slice() };
    },
    map: (name) => ({
      set: (key, value) => {
        const map = raw(name);
        map.key.set(key);
        map.value.set(value);
        if (map.update(0n) !== 0) throw new Error(`${name} cannot be written`);
      },
    }),
    counted: (index) => {
      const map = raw(counters.definition.name);
      map.key.set(indexKey(index));
      if (map.lookup() !== 0) throw new Error(`counter ${index} cannot be read`);
      return total(map.value);
    },
    [Symbol.dispose]: () => loaded.close(),
  };
}
