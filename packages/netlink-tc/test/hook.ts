import { atomicFetchAdd64, exit, ldMapValue, lddw, mov64, add64, stdw, type Item } from 'bpf-asm';
import { constants } from 'node:os';
import { createMap, loadProgram, type AnyMap, type BpfProgram } from '../src/bpf/index.ts';
import { addLink, setLink } from '../src/rtnl/index.ts';
import type { Sys } from '../src/sys/index.ts';
import { testNetns, type TestNetns } from './netns.ts';
import { programOf } from './program.ts';
import { closing } from './sys.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const WORDS = 8;

/** A silent pair of links: `v0` (index 2) and `v1` (index 3), up, without addresses and without IPv6, so that only our frames pass. */
export async function silentPair(sys: Sys): Promise<TestNetns> {
  const all = testNetns(sys);
  for (const which of ['all', 'default']) all.run('sysctl', '-qw', `net.ipv6.conf.${which}.disable_ipv6=1`);
  await all.socket.batch([
    addLink({ kind: 'veth', name: 'v0', index: 2, peer: { name: 'v1', index: 3 } }),
    setLink('v0', { up: true }),
    setLink('v1', { up: true }),
  ]);
  return all;
}

/** Programs that leave a trace: which of them ran for a frame, in which order. */
export class Tracer {
  readonly #sys: Sys;
  readonly #map: AnyMap;

  constructor(sys: Sys) {
    this.#sys = sys;
    this.#map = closing(
      createMap(sys, { name: 'trace', type: 'array', keySize: 4, valueSize: 8 * WORDS, maxEntries: 1 }),
    ) as unknown as AnyMap;
  }

  /** A program with a number from 1 to 7 that notes when it ran, and then runs `rest`, or returns a code. */
  program(number: number, rest: number | readonly Item[]): BpfProgram {
    const tail = typeof rest === 'number' ? [mov64('r0', rest), exit()] : rest;
    const program = programOf(
      [
        mov64('r6', 'r1'),
        ldMapValue('r1', 'trace'),
        mov64('r2', 1),
        atomicFetchAdd64('r1', 0, 'r2'),
        add64('r2', 1),
        ldMapValue('r1', 'trace', 8 * number),
        stdw('r1', 0, 'r2'),
        lddw('r2', 0),
        ...tail,
      ],
      { name: `p${number}`, maps: [{ name: 'trace', type: 'array', keySize: 4, valueSize: 8 * WORDS, maxEntries: 1 }] },
    );
    return closing(loadProgram(this.#sys, program, { maps: { trace: this.#map } }));
  }

  /** Sends one frame out of a link and tells the numbers of the programs that ran, in their order. */
  async frame({ netns }: TestNetns, device: number): Promise<number[]> {
    const values = this.#map as unknown as {
      update(key: Uint8Array, value: Uint8Array): void;
      lookup(key: Uint8Array): Uint8Array;
    };
    const key = new Uint8Array(4);
    values.update(key, new Uint8Array(8 * WORDS));
    netns.run(() => this.#send(device));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const bytes = values.lookup(key);
    const words = new BigUint64Array(bytes.slice().buffer);
    const ran = [...words.keys()].slice(1).filter((n) => (words[n] ?? 0n) > 0n);
    return ran.toSorted((a, b) => Number((words[a] ?? 0n) - (words[b] ?? 0n)));
  }

  #send(device: number): void {
    using socket = this.#sys.fds.own(this.#sys.call('socket', AF_PACKET, SOCK_RAW, 0), 'packet socket');
    const address = new Uint8Array(20);
    new DataView(address.buffer).setUint16(0, AF_PACKET, true);
    new DataView(address.buffer).setInt32(4, device, true);
    const frame = new Uint8Array(60).fill(0xff, 0, 6);
    frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);
    const sent = this.#sys.call('sendto', socket.number, frame, frame.length, 0, address, address.length);
    // A frame that a program of the egress dropped is ENOBUFS.
    if (sent !== frame.length && sent !== -constants.errno.ENOBUFS) throw new Error(`sendto: ${sent}`);
  }
}
