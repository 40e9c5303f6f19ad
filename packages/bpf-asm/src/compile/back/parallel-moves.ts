/** A copy to a place from a place, or of something that is in none. */
export interface PlacedMove<T> {
  readonly to: number;
  /** Where it comes from; undefined for a constant and the like. */
  readonly from: number | undefined;
  readonly what: T;
}

/**
 * Brings copies that are meant to happen at once into an order in which each reads what was there before. Where they form a ring, one goes by
 * a spare place.
 *
 * @param moves - no place is written twice.
 * @param spare - makes a spare place.
 * @returns the copies in order; one without `what` copies a place to or from a spare one.
 */
export function orderMoves<T>(
  moves: readonly PlacedMove<T>[],
  spare: () => number,
): { to: number; from: number | undefined; what: T | undefined }[] {
  const pending: { to: number; from: number | undefined; what: T | undefined }[] = [];
  for (const { to, from, what } of moves) if (from !== to) pending.push({ to, from, what });
  const ordered: typeof pending = [];
  while (pending.length > 0) {
    const free = pending.findIndex((move) => !pending.some((other) => other !== move && other.from === move.to));
    if (free >= 0) {
      ordered.push(...pending.splice(free, 1));
      continue;
    }
    // A ring: what the first one would overwrite is put aside.
    const first = pending[0] as (typeof pending)[number];
    const aside = spare();
    ordered.push({ to: aside, from: first.to, what: undefined });
    for (const move of pending) {
      if (move.from !== first.to) continue;
      move.from = aside;
      move.what = undefined;
    }
  }
  return ordered;
}
