import type { Btf } from './read.ts';
import type { BtfId, BtfType } from './types.ts';

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
  // A circle of typedefs is no type; it cannot be longer than there are types.
  for (let steps = 0, at = id; at !== 0 && steps < btf.endId; steps++) {
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
