import type { AnyLayout } from '../layout/index.ts';
import { writeAll, type Assignable } from './assign.ts';
import type { Held } from './flow.ts';
import { ACTS, callHelper, LOOKS } from './helper-call.ts';
import { asMap } from './helper-arguments.ts';
import { Lookup, pendingLookup } from './lookup.ts';
import type { MapHandle } from './maps.ts';
import { Place } from './place.ts';
import type { Scope } from './scope.ts';

/** How user space learns of a record: as it sees fit, not at all, or at once (`BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`). */
export type Wakeup = 'auto' | 'never' | 'always';

const FLAGS: Readonly<Record<Wakeup, number>> = { auto: 0, never: 1, always: 2 };

const UNSETTLED = {
  problem: 'is neither submitted nor discarded on this path',
  hint: 'call submit() or discard() on it before the path ends',
} as const;

/** Room in a ring buffer, to be filled. It must be submitted or discarded, once, on every path: the language checks that. */
export interface RingRecord<L extends AnyLayout> {
  /** Fills it, padding as zero, and hands it to user space. */
  submit(value: Assignable<L>, wakeup?: Wakeup): void;
  /** Gives the room back. */
  discard(): void;
}

/** Reserves room for a record; there may be none. */
export function reserve<L extends AnyLayout>(
  scope: Scope,
  ring: MapHandle<'ringbuf'>,
  layout: L,
): Lookup<RingRecord<L>> {
  const { definition } = asMap(scope, 'reserve', ring);
  const source = scope.unit.locate();
  const b = scope.at();
  const args = [b.map(definition.name), b.constant(layout.size), b.constant(0)];
  const pointer = callHelper(scope, 'ringbuf_reserve', args, { ...LOOKS, removable: false });
  const present = (): RingRecord<L> => {
    const held: Held = { what: `the record of ${definition.name}`, source, unsettled: UNSETTLED };
    scope.hold(held);
    const end = (helper: string, wakeup: Wakeup): void => {
      scope.letGo(held);
      callHelper(scope, helper, [pointer, scope.at().constant(FLAGS[wakeup])], ACTS);
    };
    return {
      submit: (value, wakeup = 'auto') => {
        writeAll(new Place(scope, pointer, 0, { memory: 'other', align: undefined }), layout, value);
        end('ringbuf_submit', wakeup);
      },
      discard: () => end('ringbuf_discard', 'auto'),
    };
  };
  return new Lookup(scope, pointer, present, pendingLookup(scope, `the reservation in ${definition.name}`));
}
