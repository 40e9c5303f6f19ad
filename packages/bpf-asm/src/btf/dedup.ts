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
  const own = (id: BtfId): boolean => id >= firstId && id < firstId + types.length;
  const references: BtfId[][] = [];
  const shapes = types.map((type, index) => {
    const list: BtfId[] = [];
    const shape = mapReferences(type, (id) => {
      list.push(id);
      return own(id) ? -1 : id;
    });
    references.push(list.filter(own));
    return type.kind === 'var' || type.kind === 'datasec' ? `own ${index}` : JSON.stringify(shape, plain);
  });

  let classes = number(shapes);
  for (;;) {
    const { of } = classes;
    const finer = number(references.map((ids, index) => `${of[index]}:${ids.map((id) => of[id - firstId]).join()}`));
    const done = finer.first.length === classes.first.length;
    classes = finer;
    if (done) break;
  }

  // Classes are numbered in the order of their first type, so that a class's number is the place of the type that is left.
  const ids = classes.of.map((cls) => firstId + cls);
  const kept = classes.first.flatMap((index) => types[index] ?? []);
  return { types: kept.map((type) => mapReferences(type, (id) => ids[id - firstId] ?? id)), ids };
}

/** Numbers equal keys equally, in the order in which they come; `first` has the first place of each number. */
function number(keys: readonly string[]): { of: number[]; first: number[] } {
  const numbers = new Map<string, number>();
  const first: number[] = [];
  const of = keys.map((key, index) => {
    let known = numbers.get(key);
    if (known === undefined) {
      known = numbers.size;
      numbers.set(key, known);
      first.push(index);
    }
    return known;
  });
  return { of, first };
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
