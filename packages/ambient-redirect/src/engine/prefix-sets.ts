import { AmbientRedirectError } from '../error.ts';
import { prefixKeys, type PrefixSet } from '../programs/index.ts';
import type { StateDirectory } from './directory.ts';

/** What is recorded of a set: enough to take it away again. */
interface SetRecord {
  readonly prefixes: readonly string[];
  /** Pins of the programs that look it up. */
  readonly programs: readonly string[];
}

const RECORDS = 'prefixes/';

/**
 * The sets of prefixes in the map `cidrs`, and which programs look them up. Each is recorded before it is written, so that nothing is
 * there that nobody knows of.
 */
export class PrefixSets {
  readonly #directory: Pick<StateDirectory, 'maps' | 'records'>;

  constructor(directory: Pick<StateDirectory, 'maps' | 'records'>) {
    this.#directory = directory;
  }

  /**
   * Sees to it that a program finds its sets.
   * @param program name of its pin
   * @throws AmbientRedirectError `ERR_CONFLICT` when another set has the number
   * @throws NetlinkTcError `ERR_NO_SPACE`
   */
  provide(program: string, sets: readonly PrefixSet[]): void {
    const { maps, records } = this.#directory;
    for (const each of sets) {
      const { set, prefixes } = each;
      const known = records.get<SetRecord>(`${RECORDS}${set}`);
      if (known !== undefined && known.prefixes.join() !== prefixes.join()) throw collision(known.prefixes, prefixes);
      const programs = [...new Set([...(known?.programs ?? []), program])];
      records.put(`${RECORDS}${set}`, { prefixes, programs } satisfies SetRecord);
      maps.cidrs.updateMany(prefixKeys(each).map((key) => [key, 1]));
    }
  }

  /** Takes away the sets that only programs look up that are not among these. */
  collect(programs: ReadonlySet<string>): void {
    const { maps, records } = this.#directory;
    for (const name of records.names(RECORDS)) {
      const known = records.get<SetRecord>(name);
      if (known === undefined) continue;
      const left = known.programs.filter((program) => programs.has(program));
      if (left.length === known.programs.length) continue;
      if (left.length > 0) {
        records.put(name, { ...known, programs: left } satisfies SetRecord);
        continue;
      }
      maps.cidrs.deleteMany(prefixKeys({ set: Number(name.slice(RECORDS.length)), prefixes: known.prefixes }));
      records.delete(name);
    }
  }
}

function collision(known: readonly string[], given: readonly string[]): AmbientRedirectError {
  return new AmbientRedirectError(
    'ERR_CONFLICT',
    `the prefixes ${given.slice(0, 3).join(', ')}… have the number of the set ${known.slice(0, 3).join(', ')}…`,
    { hint: 'two sets in four thousand million share one: write a prefix of either as its two halves' },
  );
}
