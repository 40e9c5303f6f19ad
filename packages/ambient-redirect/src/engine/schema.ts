import type { AnyLayout, MapHandle } from 'bpf-asm';
import { createHash } from 'node:crypto';
import { DIRECTION, EXEMPT, LISTENER, MAPS, POD_FLAG, STEERED, VERDICT } from '../maps.ts';

/** What bytes of the maps mean: a line for each map, and one for each number that programs and engine have agreed on. */
export type Schema = Readonly<Record<string, string>>;

/** The schema of this version. */
export function schema(): Schema {
  const numbers = Object.entries({ DIRECTION, EXEMPT, LISTENER, POD_FLAG, STEERED, VERDICT });
  return Object.fromEntries([
    ...Object.entries(MAPS).map(([name, map]) => [`map ${name}`, describeMap(map)]),
    ...numbers.flatMap(([name, values]) =>
      Object.entries(values).map(([key, value]) => [`${name}.${key}`, String(value)]),
    ),
  ]);
}

/** SHA-256 of a schema, in hexadecimal digits. */
export function schemaDigest(of: Schema): string {
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(of).toSorted(([a], [b]) => (a < b ? -1 : 1))))
    .digest('hex');
}

/**
 * What of a recorded schema this version would read wrongly, one phrase each. What this version has and the record has not is no
 * difference: nobody has written it yet.
 */
export function schemaDifferences(recorded: Schema, ours: Schema): string[] {
  return Object.entries(recorded)
    .filter(([what, was]) => ours[what] !== was)
    .map(([what, was]) => `${what} is ${was}, ${ours[what] === undefined ? 'and unknown here' : `not ${ours[what]}`}`);
}

function describeMap({ definition, key, value }: MapHandle): string {
  const { type, keySize, valueSize, maxEntries, flags = 0 } = definition;
  const side = (layout: AnyLayout | undefined, size: number): string =>
    layout === undefined ? `${size} bytes` : describeLayout(layout);
  return `${type} of ${maxEntries} from ${side(key, keySize)} to ${side(value, valueSize)}, flags ${flags}`;
}

function describeLayout(layout: AnyLayout): string {
  switch (layout.kind) {
    case 'struct':
      return `{${Object.values(layout.fields)
        .map(({ name, offset, layout: field }) => `${name}@${offset}: ${describeLayout(field)}`)
        .join(', ')}}`;
    case 'array':
      return `${describeLayout(layout.element)}[${layout.length}]`;
    case 'address':
      return layout.family;
    case 'integer':
      return layout.label;
    case 'bytes':
    case 'string':
      return `${layout.kind}[${layout.size}]`;
  }
}
