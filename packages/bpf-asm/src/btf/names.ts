import type { Btf } from './read.ts';
import type { BtfId, BtfType } from './types.ts';

/** Deepest nesting of types in types that is followed: far beyond real ones, far below the end of the stack. */
export const MAX_DEPTH = 256;

/**
 * How many parts of types may be printed. A type without a name is printed wherever it is used; where two of them use one that uses
 * two, that goes on for ever. What a compiler makes stays far below sixteen for each word of the types.
 */
export function printLimit(btf: Btf): number {
  return 1000 + 4 * btf.typesSize;
}

/** Gives each thing a name of its own where one language has a single space for what BTF keeps apart. */
export class Names {
  readonly #taken = new Map<string, number>();
  readonly #byKey = new Map<string, string>();

  /** @param reserved - words that are no names in the language. */
  constructor(reserved: readonly string[] = []) {
    for (const word of reserved) this.#taken.set(word, 1);
  }

  /**
   * The name for a thing: `wanted`, as far as it is a name, or `wanted___2` and so on where something else has it.
   *
   * @param key - what the thing is; the same key gets the same name.
   */
  of(key: string, wanted: string): string {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const plain = wanted.replace(/\W/g, '_').replace(/^(?=\d|$)/, '_');
    let count = (this.#taken.get(plain) ?? 0) + 1;
    let name = count === 1 ? plain : `${plain}___${count}`;
    while (this.#taken.has(name) && name !== plain) name = `${plain}___${++count}`;
    this.#taken.set(plain, count);
    if (name !== plain) this.#taken.set(name, 1);
    this.#byKey.set(key, name);
    return name;
  }
}

/** A type behind names and qualifiers, which is what decides size and shape. */
export function resolve(btf: Btf, id: BtfId): BtfType | undefined {
  // A circle of typedefs is no type.
  for (let steps = 0, at = id; at !== 0 && steps < MAX_DEPTH; steps++) {
    const type = btf.type(at);
    switch (type.kind) {
      case 'typedef':
      case 'const':
      case 'volatile':
      case 'restrict':
      case 'type_tag':
        at = type.type;
        break;
      default:
        return type;
    }
  }
  return undefined;
}
