import { AmbientRedirectError } from '../error.ts';
import { VERDICT, type Verdict } from '../maps.ts';
import { invalid, known } from '../policy.ts';
import type { TellFacts } from '../programs/index.ts';
import { lockHolder } from './lock.ts';
import type { RecordStore } from './records.ts';

/** Name of the record that says what is told: who looks beside the engine then knows that programs which tell are the wanted ones. */
const RECORD = 'telling';

/** Options of `RedirectEngine.events`: what is left out here costs the packets that pass nothing. */
export interface EventOptions {
  /** One of so many packets, a power of two, at most 65536; every one if left out. */
  readonly sample?: number;
  /** Packets of these verdicts alone; of all if left out. */
  readonly verdicts?: readonly Verdict[];
  /** Packets of these pods alone; of all if left out. */
  readonly pods?: readonly string[];
  /** With the packet's first bytes. */
  readonly snapshot?: boolean;
}

/** What is told, once it is checked. */
export interface Telling {
  readonly facts: TellFacts & { readonly sample: number };
  readonly pods: readonly string[] | undefined;
}

/**
 * Checks what is to be told.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT`, with the name of the option
 */
export function tellingOf(options: EventOptions): Telling {
  known(options, ['sample', 'verdicts', 'pods', 'snapshot'], 'options');
  const { sample = 1, verdicts, pods, snapshot = false } = options;
  if (!Number.isInteger(Math.log2(sample)) || sample > 0x1_0000)
    throw invalid('sample', 'is a power of two, at most 65536', sample);
  if (typeof snapshot !== 'boolean') throw invalid('snapshot', 'is true or false', snapshot);
  if (pods !== undefined && !isList(pods)) throw invalid('pods', 'is a list of ids', pods);
  if (verdicts !== undefined && !isList(verdicts)) throw invalid('verdicts', 'is a list of verdicts', verdicts);
  const unknown = verdicts?.find((verdict) => !Object.hasOwn(VERDICT, verdict));
  if (unknown !== undefined) {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `there is no verdict ${JSON.stringify(unknown)}`, {
      candidates: Object.keys(VERDICT),
      hint: `one of ${Object.keys(VERDICT).join(', ')}`,
    });
  }
  const sorted = verdicts && [...new Set(verdicts)].toSorted();
  return { facts: { sample, ...(sorted && { verdicts: sorted }), ...(snapshot && { snapshot }) }, pods };
}

function isList(value: readonly unknown[]): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** Records what is told, or that nobody listens any more. */
export function recordTelling(records: RecordStore, telling: Telling | undefined): void {
  if (telling === undefined) records.delete(RECORD);
  else records.put(RECORD, telling);
}

/** What is told, as the engine that has a directory recorded it; undefined where none has it: nobody listens, whatever programs tell. */
export function readTelling(path: string, records: RecordStore): Telling | undefined {
  return lockHolder(path) === undefined ? undefined : records.get<Telling>(RECORD);
}

/** What the programs of a pod tell; nothing where nobody listens to it. */
export function tellFacts(telling: Telling | undefined, pod: string | undefined): TellFacts {
  if (telling === undefined) return {};
  return telling.pods === undefined || (pod !== undefined && telling.pods.includes(pod)) ? telling.facts : {};
}

/** What `ztunnel_host_in` tells, which knows one verdict, and serves all pods. */
export function tellDelivered(telling: Telling | undefined): TellFacts {
  return telling?.facts.verdicts?.includes('delivered') === false ? {} : (telling?.facts ?? {});
}
