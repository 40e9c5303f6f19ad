import type { Fd } from 'netlink-tc';
import type { OpenMaps } from './directory.ts';
import { LISTENER_SLOTS, type ListenerBank } from '../maps.ts';
import type { ListenerChoice } from './listeners.ts';

/** The map `listeners`: sockets go in by their descriptors, and come out as their cookies. */
export type ListenerMap = Pick<OpenMaps['listeners'], 'lookup' | 'update' | 'delete'>;

const ALL: readonly number[] = Array.from({ length: LISTENER_SLOTS }, (_, slot) => slot);

/** The value of a slot, as a number of 64 bits in the byte order of the machine. */
const word = (bytes: Uint8Array): BigUint64Array => new BigUint64Array(bytes.buffer, bytes.byteOffset, 1);

/** The slots of the map that programs take one proxy's listeners from. */
export class ListenerSlots {
  readonly #map: ListenerMap;
  readonly #first: number;

  /** @param bank which part of the map */
  constructor(map: ListenerMap, bank: ListenerBank) {
    this.#map = map;
    this.#first = bank * LISTENER_SLOTS;
  }

  /** Cookies of the sockets in the slots; a slot whose socket was closed is empty by itself. */
  cookies(): (bigint | undefined)[] {
    return ALL.map((slot) => {
      const value = this.#map.lookup(this.#first + slot);
      return value === undefined ? undefined : word(value.slice())[0];
    });
  }

  /**
   * Puts sockets into their slots, and nothing into the others. What is right is left alone.
   *
   * A socket is taken from its process for as long as it takes to put it into the map: kept any longer, it would outlive the proxy, and
   * clients would connect to nobody.
   * @param take gives the descriptor of a socket by its inode
   * @returns how many slots were changed
   */
  fill(chosen: readonly ListenerChoice[], take: (inode: number) => Fd): number {
    const now = this.cookies();
    const wrong = chosen.filter(({ slot, socket }) => socket.cookie !== now[slot]);
    for (const inode of new Set(wrong.map(({ socket }) => socket.inode))) {
      using fd = take(inode);
      const value = new Uint8Array(8);
      word(value)[0] = BigInt(fd.number);
      for (const { slot, socket } of wrong) if (socket.inode === inode) this.#map.update(this.#first + slot, value);
    }
    const kept = new Set(chosen.map(({ slot }) => slot));
    const old = ALL.filter((slot) => now[slot] !== undefined && !kept.has(slot));
    for (const slot of old) this.#empty(slot);
    return wrong.length + old.length;
  }

  /** Empties all slots. */
  clear(): void {
    for (const slot of ALL) this.#empty(slot);
  }

  #empty(slot: number): void {
    try {
      if (this.#map.lookup(this.#first + slot) !== undefined) this.#map.delete(this.#first + slot);
    } catch (error) {
      // The kernel does not take what is not there, and the socket may have been closed meanwhile.
      if (this.#map.lookup(this.#first + slot) !== undefined) throw error;
    }
  }
}
