import type { CommandSpec } from './command-spec.ts';

/** What was given to a command, by the names of its spec. A name that the spec does not have is a mistake of the programmer, and throws. */
export class Arguments {
  readonly #names: ReadonlySet<string>;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #positional: ReadonlyMap<string, string | readonly string[] | undefined>;

  /**
   * @param values options by their long names
   * @param positional arguments in the order of the spec
   */
  constructor(spec: CommandSpec, values: Readonly<Record<string, unknown>>, positional: readonly unknown[]) {
    const places = spec.arguments ?? [];
    this.#names = new Set([...spec.options.map(({ name }) => name), ...places.map(({ name }) => name)]);
    this.#values = values;
    this.#positional = new Map(places.map(({ name }, at) => [name, positional[at] as string | undefined]));
  }

  #get(name: string): unknown {
    if (!this.#names.has(name)) throw new TypeError(`this command has no option or argument ${name}`);
    return this.#positional.has(name) ? this.#positional.get(name) : this.#values[name];
  }

  /** Whether an option that is on or off is on. */
  flag(name: string): boolean {
    return this.#get(name) === true;
  }

  /** Whether it was given, or has a default. */
  has(name: string): boolean {
    const value = this.#get(name);
    return value !== undefined && value !== false;
  }

  /** The text of an option or argument. */
  text(name: string): string | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : String(value);
  }

  /** The text of an option with a default, or of an argument that has to be given. */
  need(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw new TypeError(`${name} has neither a value nor a default`);
    return text;
  }

  /** The number of an option; the parser has checked its range. */
  number(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : Number(text);
  }

  /** All values of an option or argument that can be repeated. */
  all(name: string): readonly string[] {
    return (this.#get(name) as readonly string[] | undefined) ?? [];
  }
}
