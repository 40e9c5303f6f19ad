import { checkObjects } from '../error.ts';
import { mapReferences, type BtfId, type BtfType } from './types.ts';

/** What {@link dedupBtf} gives. */
export interface Deduped {
  /** The types that are left, in their order. */
  readonly types: BtfType[];
  /** The new id of each type that was given, by its place. */
  readonly ids: BtfId[];
}

/**
 * Makes one of types that are the same, seen through all that they name: also of structs that point to each other in a circle.
 * Two types stay apart only where something tells them apart; so all start as one as far as they look alike on their own, and are
 * split by what they name until nothing changes. Variables and sections are never merged.
 *
 * @param types - the types; the first has id `firstId`. An id below `firstId` stays as it is (`void`, or types of a base).
 * @param firstId - 1, or one beyond the last id of the base.
 */
export function dedupBtf(types: readonly BtfType[], firstId: BtfId = 1): Deduped {
  checkObjects(types, 'types');
  const own = (id: BtfId): boolean => id >= firstId && id < firstId + types.length;
  /** Places of the types that a type names, and of those that name it. */
  const named: number[][] = [];
  const namedBy: number[][] = types.map(() => []);
  const shapes = types.map((type, index) => {
    const list: number[] = [];
    const shape = mapReferences(type, (id) => {
      if (!own(id)) return id;
      list.push(id - firstId);
      namedBy[id - firstId]?.push(index);
      return -1;
    });
    named.push(list);
    return type.kind === 'var' || type.kind === 'datasec' ? `own ${index}` : JSON.stringify(shape, plain);
  });

  const classes = numberOf(shapes);
  refine(classes, named, namedBy);

  // Numbered again in the order of their first type, a class's number is the place of the type that is left.
  const places = numberOf(classes);
  const kept: BtfType[] = [];
  for (const [index, type] of types.entries()) if (places[index] === kept.length) kept.push(type);
  const ids = places.map((place) => firstId + place);
  return { types: kept.map((type) => mapReferences(type, (id) => ids[id - firstId] ?? id)), ids };
}

/**
 * Splits classes until the types of each name the same classes in the same order. Only types that name one whose class is new can
 * differ from the rest of their class, so that each round looks at those alone.
 */
function refine(classes: number[], named: readonly number[][], namedBy: readonly number[][]): void {
  const sizes = new Map<number, number>();
  for (const cls of classes) sizes.set(cls, (sizes.get(cls) ?? 0) + 1);
  let count = sizes.size;
  let changed = classes.map((_, index) => index);
  for (let first = true; changed.length > 0; first = false) {
    const touched = first ? changed : [...new Set(changed.flatMap((index) => namedBy[index] ?? []))];
    const groups = new Map<string, number[]>();
    for (const index of touched) {
      const key = `${classes[index]}:${named[index]?.map((place) => classes[place]).join()}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [index]);
      else group.push(index);
    }
    changed = [];
    for (const group of groups.values()) {
      // What is left of a class keeps its number: either the types that were not touched, or its last group.
      const old = classes[group[0] ?? 0] ?? 0;
      const left = (sizes.get(old) ?? 0) - group.length;
      if (left === 0) continue;
      sizes.set(old, left);
      sizes.set(count, group.length);
      for (const index of group) {
        classes[index] = count;
        changed.push(index);
      }
      count++;
    }
  }
}

/** Numbers equal keys equally, in the order in which they come. */
function numberOf(keys: readonly (string | number)[]): number[] {
  const numbers = new Map<string | number, number>();
  return keys.map((key) => {
    const known = numbers.get(key) ?? numbers.size;
    numbers.set(key, known);
    return known;
  });
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
