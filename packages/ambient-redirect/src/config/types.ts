/** The types of the configuration's values: what each takes, in words, and how it is checked. */
import { isIP } from 'node:net';
import * as v from 'valibot';
import { isAmbientRedirectError } from '../error.ts';
import { normaliseCidrs, normalisePolicy } from '../policy.ts';
import { listenAddress } from './listen-address.ts';
import { resemblance } from './resemblance.ts';

/** A value that is checked to be a `T`. Its title is what it takes, in words, its description what it is for. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** A member that may be left out. */
export type OptionalSchema<T> = v.ExactOptionalSchema<Schema<T>, undefined>;

/** What is wrong with members of an object together. */
export interface Complaint {
  /** The keys that lead from the object to it. */
  readonly at: readonly (string | number)[];
  readonly message: string;
}

/** Whether a value is an object of members. */
function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member that may be left out. @param text what it is for */
export function optional<T>(schema: Schema<T>, text: string): OptionalSchema<T> {
  return v.exactOptional(v.pipe(schema, v.description(text)));
}

/** A member that must be there. @param text what it is for */
export function required<T>(schema: Schema<T>, text: string): Schema<T> {
  return v.pipe(schema, v.description(text));
}

/**
 * An object with these members and no others.
 * @param together says what is wrong with members that are right each by itself, if anything
 */
export function object<T extends object>(
  entries: { readonly [K in keyof Required<T>]: Schema<Required<T>[K]> | OptionalSchema<Required<T>[K]> },
  together: (members: T) => Complaint | undefined = () => undefined,
): Schema<T> {
  const names = Object.keys(entries);
  return v.pipe(
    v.custom<Readonly<Record<string, unknown>>>(isObject, 'is an object'),
    v.looseObject(entries as v.ObjectEntries),
    v.rawCheck(({ dataset, addIssue }) => {
      const given: unknown = dataset.value;
      if (!isObject(given)) return;
      for (const key of Object.keys(given).filter((one) => !names.includes(one))) {
        const path = { type: 'object', origin: 'key', input: given, key, value: given[key] } as const;
        addIssue({ message: unknownKey(key, names), path: [path] });
      }
      const wrong = dataset.issues === undefined ? together(given as T) : undefined;
      if (wrong === undefined) return;
      const [first, ...more] = wrong.at.map(
        (key) => ({ type: 'unknown', origin: 'value', input: given, key, value: undefined }) as const,
      );
      addIssue({ message: wrong.message, ...(first && { path: [first, ...more] }) });
    }),
    v.title('object'),
  ) as v.GenericSchema<unknown, unknown> as Schema<T>;
}

function unknownKey(key: string, names: readonly string[]): string {
  const close = resemblance(key, names);
  const hint = close === undefined ? `there may be ${names.join(', ')}` : `did you mean ${close}?`;
  return `is no key that is known here; ${hint}`;
}

/** A list. @param what of what, in words */
export function list<T>(of: Schema<T>, what: string): Schema<readonly T[]> {
  return v.pipe(v.array(of, 'is a list'), v.title(`list of ${what}`));
}

/** A text of at least one character. */
export const text: Schema<string> = v.pipe(
  v.string('is a text'),
  v.nonEmpty('is a text that is not empty'),
  v.title('text'),
);

/** The name of a pod. */
export const podId: Schema<string> = v.pipe(
  text,
  v.check((given) => given.length <= 253, 'is a text of up to 253 characters'),
  v.title('text'),
);

/** An address that others can reach. */
export const address: Schema<string> = v.pipe(
  v.string('is an address of IPv4 or IPv6'),
  v.check((given) => isIP(given) !== 0 && !given.includes('%'), 'is an address of IPv4 or IPv6'),
);

/** An absolute path. */
export const path: Schema<string> = v.pipe(
  v.string('is an absolute path'),
  v.check((given) => given.startsWith('/') && !given.includes('\0'), 'is an absolute path'),
  v.title('path'),
);

/** A path of a network namespace, or a name of one. */
export const netns: Schema<string> = v.pipe(
  v.string('is a path, or a name below /run/netns'),
  v.check(
    (given) =>
      !given.includes('\0') &&
      (given.includes('/') ? given.startsWith('/') : given.length > 0 && given !== '.' && given !== '..'),
    'is an absolute path, or a name below /run/netns',
  ),
  v.title('path or name'),
);

/** Yes or no. */
export const truth: Schema<boolean> = v.pipe(v.boolean('is true or false'), v.title('true or false'));

/** A whole number. */
export function whole(from: number, to: number): Schema<number> {
  const should = `is a whole number from ${from} to ${to}`;
  return v.pipe(
    v.number(should),
    v.check((given) => Number.isInteger(given) && given >= from && given <= to, should),
    v.title(`number from ${from} to ${to}`),
  );
}

/** One of some words. */
export function word<const T extends string>(...words: readonly T[]): Schema<T> {
  const all = words.map((one) => `\`${one}\``).join(', ');
  return v.pipe(v.picklist(words, `is one of ${words.join(', ')}`), v.title(all));
}

/** A value of one of two types, which no value has both of. */
export function either<A, B>(one: Schema<A>, other: Schema<B>, should: string): Schema<A | B> {
  const title = `${v.getTitle(one)}, or ${v.getTitle(other)}`;
  return v.pipe(v.union([one, other], should), v.title(title)) as Schema<A | B>;
}

/** What the engine itself checks: what it says against a value, without the path that it begins with. */
function complaint(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!isAmbientRedirectError(error)) throw error;
    return error.message.replace(/^\S+ /, '').replace(/; it is .*$/, '');
  }
}

function checkedBy<T>(schema: Schema<T>, check: (given: T) => unknown, title: string): Schema<T> {
  return v.pipe(
    schema,
    v.rawCheck(({ dataset, addIssue }) => {
      const wrong = dataset.typed ? complaint(() => check(dataset.value)) : undefined;
      if (wrong !== undefined) addIssue({ message: wrong });
    }),
    v.title(title),
  ) as Schema<T>;
}

/** A prefix, or an address, which stands for itself. */
export const prefix: Schema<string> = checkedBy(
  v.string("is a prefix such as '10.0.0.0/8' or 'fd00::/8'"),
  (given) => normaliseCidrs([given], ''),
  'prefix',
);

/** A port or a range of ports. */
export const ports: Schema<number | string> = checkedBy(
  v.union([v.number(), v.string()], "is a port from 1 to 65535, or a range such as '8000-8099'"),
  (given) => normalisePolicy({ inbound: { includePorts: [given as number] } }, { dns: false }),
  'port or range',
);

const LISTEN = 'is a port, or an address and a port such as 127.0.0.1:9090 or [::]:9090';

/** Where something listens: TCP. */
export const listenAt: Schema<number | string> = v.pipe(
  v.union([v.number(), v.string()], LISTEN),
  v.check((given) => listenAddress(given) !== undefined, LISTEN),
  v.title('port, or address and port'),
);
