import type { MapDefinition } from '../../asm/program.ts';
import { MAP_FLAG } from '../../asm/kernel-types.ts';
import { ERRNO } from '../errno.ts';
import { Region } from '../region.ts';
import { indexOf } from './array.ts';
import { invalidFlags, UPDATE_FLAG, VmMap } from './map.ts';

/** A prefix: the bits on the way to it from the root. */
interface Node {
  value: Region | undefined;
  key: Uint8Array | undefined;
  readonly children: [Node | undefined, Node | undefined];
}

/**
 * `BPF_MAP_TYPE_LPM_TRIE`: a key is the prefix' length in bits (four bytes in host order) and the data, most significant bit
 * first; a look-up finds the longest prefix of the data.
 */
export class LpmTrieMap extends VmMap {
  #root: Node = leaf();
  #size = 0;

  constructor(definition: MapDefinition) {
    super(definition);
    this.require(this.keySize >= 5 && this.keySize <= 260, 'a key has 4 bytes of length and 1 to 256 of data');
    this.require(this.valueSize > 0, 'a value has at least 1 byte');
    this.require((this.flags & MAP_FLAG.NO_PREALLOC) !== 0, 'the kernel asks for the flag NO_PREALLOC');
  }

  override lookup(key: Uint8Array, at: number): Region | undefined {
    const length = indexOf(key, at);
    if (length > this.#bits) return undefined;
    let node: Node | undefined = this.#root;
    let best = node.value;
    for (let bit = 0; bit < length && node !== undefined; bit++) {
      node = node.children[bitOf(key, at, bit)];
      best = node?.value ?? best;
    }
    return best;
  }

  override update(key: Uint8Array, at: number, value: Uint8Array, valueAt: number, flags: number): number {
    const length = indexOf(key, at);
    if (invalidFlags(flags) !== 0 || length > this.#bits) return -ERRNO.EINVAL;
    const known = this.#find(key, at, length)?.value;
    if (known !== undefined && flags === UPDATE_FLAG.NOEXIST) return -ERRNO.EEXIST;
    if (known === undefined && flags === UPDATE_FLAG.EXIST) return -ERRNO.ENOENT;
    if (known === undefined && this.#size >= this.maxEntries) return -ERRNO.ENOSPC;
    let node = this.#root;
    for (let bit = 0; bit < length; bit++) node = node.children[bitOf(key, at, bit)] ??= leaf();
    const bytes = value.slice(valueAt, valueAt + this.valueSize);
    node.value = new Region(this.valueName(), bytes, { writable: this.writable });
    node.key = key.slice(at, at + this.keySize);
    if (known === undefined) this.#size++;
    return 0;
  }

  override remove(key: Uint8Array, at: number): number {
    const length = indexOf(key, at);
    if (length > this.#bits) return -ERRNO.EINVAL;
    const path: Node[] = [this.#root];
    for (let bit = 0; bit < length; bit++) {
      const next = path[bit]?.children[bitOf(key, at, bit)];
      if (next === undefined) return -ERRNO.ENOENT;
      path.push(next);
    }
    const node = path[length] as Node;
    if (node.value === undefined) return -ERRNO.ENOENT;
    node.value = node.key = undefined;
    this.#size--;
    // Branches that lead to no prefix any more go.
    for (let bit = length; bit > 0 && isEmpty(path[bit] as Node); bit--) {
      (path[bit - 1] as Node).children[bitOf(key, at, bit - 1)] = undefined;
    }
    return 0;
  }

  override *elements(): Iterable<readonly [Uint8Array, Region]> {
    const open: Node[] = [this.#root];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node.key !== undefined && node.value !== undefined) yield [node.key, node.value];
      for (const child of node.children) if (child !== undefined) open.push(child);
    }
  }

  override get size(): number {
    return this.#size;
  }

  get #bits(): number {
    return (this.keySize - 4) * 8;
  }

  #find(key: Uint8Array, at: number, length: number): Node | undefined {
    let node: Node | undefined = this.#root;
    for (let bit = 0; bit < length && node !== undefined; bit++) node = node.children[bitOf(key, at, bit)];
    return node;
  }
}

function leaf(): Node {
  return { value: undefined, key: undefined, children: [undefined, undefined] };
}

function isEmpty(node: Node): boolean {
  return node.value === undefined && node.children[0] === undefined && node.children[1] === undefined;
}

function bitOf(key: Uint8Array, at: number, bit: number): 0 | 1 {
  return (((key[at + 4 + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1) as 0 | 1;
}
