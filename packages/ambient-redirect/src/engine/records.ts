import { createHash, randomInt } from 'node:crypto';
import { AmbientRedirectError } from '../error.ts';
import { RECORD_PART } from '../maps.ts';

/** Key of a part, as the layout `RecordKey` has it. */
interface PartKey {
  readonly name: Uint8Array;
  readonly generation: number;
  readonly part: number;
}

/** A part, as the layout `RecordPart` has it. */
interface Part {
  readonly length: number;
  readonly data: Uint8Array;
}

/** What of the map `records` is used: the map itself, or in tests one that dies in the middle. */
export interface RecordMap {
  lookup(key: PartKey): Part | undefined;
  update(key: PartKey, value: Part): void;
  delete(key: PartKey): boolean;
  entries(): Iterable<[PartKey, Part]>;
}

/** The first part of every record: which generation of its parts is valid. Its own generation is 0. */
interface Head {
  readonly name: string;
  readonly generation: number;
  readonly parts: number;
}

/** Longest name, in bytes of JSON: a head must fit into one part. */
const LONGEST_NAME = RECORD_PART - 100;

/** How often a reader without the lock begins again when a writer changes the record under it. */
const ATTEMPTS = 20;

/**
 * Records of the engine: JSON values by name, kept in the kernel, where they live as long as what they describe and no longer.
 *
 * A record is written as new parts, then its head, which one system call replaces, and only then are the old parts deleted: who is
 * killed at any point leaves the old record or the new one, and parts of none that {@link RecordStore.sweep} deletes.
 */
export class RecordStore {
  readonly #map: RecordMap;

  constructor(map: RecordMap) {
    this.#map = map;
  }

  /**
   * The value of a record; undefined where there is none. The type is what {@link RecordStore.put} was given.
   * @throws AmbientRedirectError `ERR_DAMAGED` when parts of it are missing
   */
  get<T>(name: string): T | undefined {
    const id = idOf(name);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const head = this.#head(id);
      if (head === undefined) return undefined;
      const text = this.#read(id, head);
      if (text !== undefined) return parse<T>(text);
    }
    throw damaged(`the record ${name} is not whole`);
  }

  /**
   * Writes a record, in the place of what it was.
   * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for a value that JSON cannot say
   * @throws NetlinkTcError `ERR_NO_SPACE` when the map is full; the record is then as it was
   */
  put(name: string, value: unknown): void {
    const id = idOf(name);
    const bytes = bytesOf(name, value);
    const old = this.#head(id);
    // Not the first number where there is none: parts of a record of this name that was deleted may be left, and be read right now.
    const generation = old === undefined ? randomInt(1, 0x8000_0000) : (old.generation % 0xffff_ffff) + 1;
    const head: Head = { name, generation, parts: Math.ceil(bytes.length / RECORD_PART) };
    try {
      for (let part = 0; part < head.parts; part += 1) {
        this.#write({ name: id, generation, part }, bytes.subarray(part * RECORD_PART, (part + 1) * RECORD_PART));
      }
      this.#write({ name: id, generation: 0, part: 0 }, Buffer.from(JSON.stringify(head)));
    } catch (error) {
      this.#deleteParts(id, head);
      throw error;
    }
    if (old !== undefined) this.#deleteParts(id, old);
  }

  /** Deletes a record; one that is not there is no error. */
  delete(name: string): void {
    const id = idOf(name);
    const head = this.#head(id);
    if (head === undefined) return;
    this.#map.delete({ name: id, generation: 0, part: 0 });
    this.#deleteParts(id, head);
  }

  /** The names of all records, sorted. @param prefix how they begin */
  names(prefix = ''): string[] {
    return [...this.#heads()]
      .map(({ name }) => name)
      .filter((name) => name.startsWith(prefix))
      .toSorted();
  }

  /** Deletes parts of no record, which are left where a writer died. Only who has the lock may. @returns how many there were */
  sweep(): number {
    const valid = new Map([...this.#heads()].map((head) => [keyText(idOf(head.name)), head]));
    const lost = [...this.#map.entries()]
      .map(([key]) => key)
      .filter(({ name, generation, part }) => {
        const head = valid.get(keyText(name));
        return generation !== 0 && (generation !== head?.generation || part >= head.parts);
      });
    for (const key of lost) this.#map.delete(key);
    return lost.length;
  }

  *#heads(): Generator<Head> {
    for (const [{ generation }, part] of this.#map.entries()) if (generation === 0) yield headOf(part);
  }

  #head(id: Uint8Array): Head | undefined {
    const part = this.#map.lookup({ name: id, generation: 0, part: 0 });
    return part === undefined ? undefined : headOf(part);
  }

  #read(id: Uint8Array, { generation, parts }: Head): string | undefined {
    const all: Uint8Array[] = [];
    for (let part = 0; part < parts; part += 1) {
      const found = this.#map.lookup({ name: id, generation, part });
      if (found === undefined) return undefined;
      all.push(found.data.subarray(0, found.length));
    }
    return Buffer.concat(all).toString('utf8');
  }

  #write(key: PartKey, bytes: Uint8Array): void {
    const data = new Uint8Array(RECORD_PART);
    data.set(bytes);
    this.#map.update(key, { length: bytes.length, data });
  }

  #deleteParts(id: Uint8Array, { generation, parts }: Head): void {
    for (let part = 0; part < parts; part += 1) this.#map.delete({ name: id, generation, part });
  }
}

function headOf({ length, data }: Part): Head {
  return parse<Head>(Buffer.from(data.subarray(0, length)).toString('utf8'));
}

function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw damaged('a record is not what was written', error);
  }
}

function damaged(what: string, cause?: unknown): AmbientRedirectError {
  return new AmbientRedirectError('ERR_DAMAGED', what, {
    hint: 'something else writes to the map of records: take the engine off this node, and enroll anew',
    ...(cause === undefined ? {} : { cause }),
  });
}

function idOf(name: string): Uint8Array {
  // As JSON has it, text that is no Unicode has an identity too.
  const text = JSON.stringify(name);
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(text) > LONGEST_NAME) {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${text} is no name for a record`, {
      hint: `give text of 1 to ${LONGEST_NAME} bytes`,
    });
  }
  return createHash('sha256').update(text).digest().subarray(0, 16);
}

function bytesOf(name: string, value: unknown): Uint8Array {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text !== undefined) return Buffer.from(text);
  throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `the value of the record ${name} is none that JSON can say`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'write 64-bit numbers as text, and leave functions out',
  });
}

function keyText(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1');
}
