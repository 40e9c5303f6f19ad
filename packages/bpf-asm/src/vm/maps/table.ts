/** An entry of a {@link Table}: a key, what it holds, and its neighbours. */
export interface TableEntry<V> {
  readonly key: Uint8Array;
  value: V;
  /** Next entry whose key has the same hash. */
  chain: TableEntry<V> | undefined;
  older: TableEntry<V> | undefined;
  newer: TableEntry<V> | undefined;
}

/** A hash table whose keys are bytes, found without making a string of them, and which knows the order of use. */
export class Table<V> {
  readonly #keySize: number;
  readonly #chains = new Map<number, TableEntry<V>>();
  #oldest: TableEntry<V> | undefined = undefined;
  #newest: TableEntry<V> | undefined = undefined;
  #size = 0;

  /** @param keySize - bytes of each key. */
  constructor(keySize: number) {
    this.#keySize = keySize;
  }

  get size(): number {
    return this.#size;
  }

  /** The entry that was added or touched longest ago. */
  get oldest(): TableEntry<V> | undefined {
    return this.#oldest;
  }

  /** The entry of the key that stands in `bytes` from `at` on. */
  find(bytes: Uint8Array, at: number): TableEntry<V> | undefined {
    let entry = this.#chains.get(this.#hash(bytes, at));
    while (entry !== undefined && !this.#equal(entry.key, bytes, at)) entry = entry.chain;
    return entry;
  }

  /** Adds a key that is not there yet. */
  add(bytes: Uint8Array, at: number, value: V): void {
    const hash = this.#hash(bytes, at);
    const key = bytes.slice(at, at + this.#keySize);
    const entry: TableEntry<V> = { key, value, chain: this.#chains.get(hash), older: undefined, newer: undefined };
    this.#chains.set(hash, entry);
    this.#append(entry);
    this.#size++;
  }

  /** Takes an entry out. */
  remove(entry: TableEntry<V>): void {
    const hash = this.#hash(entry.key, 0);
    const first = this.#chains.get(hash);
    if (first === entry) {
      if (entry.chain === undefined) this.#chains.delete(hash);
      else this.#chains.set(hash, entry.chain);
    } else {
      let before = first;
      while (before !== undefined && before.chain !== entry) before = before.chain;
      if (before !== undefined) before.chain = entry.chain;
    }
    this.#unlink(entry);
    this.#size--;
  }

  /** Makes an entry the newest. */
  touch(entry: TableEntry<V>): void {
    if (entry === this.#newest) return;
    this.#unlink(entry);
    this.#append(entry);
  }

  /** Entries from the oldest on; the table must not change meanwhile. */
  *[Symbol.iterator](): Iterator<TableEntry<V>> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) yield entry;
  }

  #append(entry: TableEntry<V>): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink(entry: TableEntry<V>): void {
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
  }

  /** FNV-1a. */
  #hash(bytes: Uint8Array, at: number): number {
    let hash = 0x811c_9dc5 | 0;
    for (let i = at; i < at + this.#keySize; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x0100_0193);
    return hash;
  }

  #equal(key: Uint8Array, bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < key.length; i++) if (key[i] !== bytes[at + i]) return false;
    return true;
  }
}
