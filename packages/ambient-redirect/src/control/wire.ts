/**
 * What goes over the agent's socket: JSON, one document a line. What JSON cannot say is said so: a bigint as a string of decimal digits, its
 * member's name in the line's `bigints`; bytes as `{"$bytes": BASE64}`; an error as `{"$error": {"name", "message", "code", ...}}`.
 */

/** A line of an answer: the last one is a `result` or an `error`, of a stream also an `end`. */
export type Line =
  | { readonly kind: 'result'; readonly value?: unknown }
  | { readonly kind: 'error'; readonly error: unknown }
  /** Of `unenroll`: how many connections are left. */
  | { readonly kind: 'progress'; readonly left: number }
  /** Of `events`: the programs tell from here on. */
  | { readonly kind: 'open' }
  | { readonly kind: 'event'; readonly event: unknown }
  /** Of `events`: how many were thrown away so far. */
  | { readonly kind: 'dropped'; readonly count: number }
  | { readonly kind: 'end' };

/** Writes a document as one line, its end included. */
export function encodeLine(document: object): string {
  const bigints = new Set<string>();
  const text = JSON.stringify(document, function (this: Readonly<Record<string, unknown>>, name, value: unknown) {
    if (typeof value === 'bigint') {
      bigints.add(name);
      return String(value);
    }
    // As it was before a Buffer has made JSON of itself.
    const bytes = this[name];
    if (bytes instanceof Uint8Array) return { $bytes: Buffer.from(bytes).toString('base64') };
    return value instanceof Error ? { $error: describeError(value) } : value;
  });
  const revived = bigints.size === 0 ? text : `${text.slice(0, -1)},"bigints":${JSON.stringify([...bigints])}}`;
  return `${revived}\n`;
}

/**
 * Reads what {@link encodeLine} wrote.
 * @throws SyntaxError where it is no JSON, or no object
 */
export function decodeLine(text: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new SyntaxError('no JSON object');
  const { bigints, ...document } = parsed as Readonly<Record<string, unknown>>;
  return revive(document, new Set(Array.isArray(bigints) ? (bigints as unknown[]) : [])) as Record<string, unknown>;
}

function revive(value: unknown, bigints: ReadonlySet<unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => revive(each, bigints));
  const members = Object.entries(value).map(([name, member]): [string, unknown] => [
    name,
    bigints.has(name) && typeof member === 'string' && /^-?\d+$/.test(member)
      ? BigInt(member)
      : revive(member, bigints),
  ]);
  const [first] = members;
  if (members.length === 1 && first?.[0] === '$error') return reviveError(first[1] as Record<string, unknown>);
  if (members.length === 1 && first?.[0] === '$bytes') return Uint8Array.from(Buffer.from(String(first[1]), 'base64'));
  return Object.fromEntries(members);
}

/** Its fields, with those that are not enumerable; not its stack, which means nothing elsewhere. */
function describeError(error: Error): object {
  const { name, message, cause } = error;
  return { ...error, name, message, ...(cause === undefined ? {} : { cause }) };
}

/** An error that the guard functions tell by its name and code. */
function reviveError({ message, cause, ...fields }: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error(String(message), cause === undefined ? undefined : { cause }), fields);
}
