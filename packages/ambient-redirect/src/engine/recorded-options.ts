import { openSys, type Order } from 'netlink-tc';
import { isAmbientRedirectError } from '../error.ts';
import { StateDirectory } from './directory.ts';
import { DEFAULT_DIRECTORY, type EngineOptions } from './options.ts';
import type { RecordStore } from './records.ts';

const RECORD = 'options';

/** Records what an engine was opened with: all but what means nothing to another process. */
export function recordOptions(records: RecordStore, options: EngineOptions): void {
  const { sys: _sys, directory: _directory, host, order, ...rest } = options;
  const kept: EngineOptions = {
    ...rest,
    ...(host === undefined || 'fd' in host ? {} : { host }),
    ...(order === undefined || isByDescriptor(order) ? {} : { order }),
  };
  if (JSON.stringify(kept) !== JSON.stringify(records.get(RECORD))) records.put(RECORD, kept);
}

function isByDescriptor(order: Order): boolean {
  if (typeof order === 'string') return false;
  const anchor = 'before' in order ? order.before : order.after;
  return typeof ('program' in anchor ? anchor.program : anchor.link) !== 'number';
}

/** What was recorded; nothing where none was. */
function readOptions(records: RecordStore): EngineOptions {
  return records.get<EngineOptions>(RECORD) ?? {};
}

/**
 * The options of the engine that has a directory, or had it last: another one that is opened with them does what it did. Descriptors are not
 * among them.
 * @returns undefined where there is no state of an engine: as `RedirectEngine.open` would begin one
 * @throws what `EngineView.open` throws of the directory, but for `ERR_NO_STATE`
 * @example
 * ```ts
 * const directory = '/sys/fs/bpf/ambient';
 * const engine = await RedirectEngine.open({ ...(await recordedOptions({ directory })), directory });
 * ```
 */
export async function recordedOptions(
  options: Pick<EngineOptions, 'sys' | 'directory'> = {},
): Promise<EngineOptions | undefined> {
  const { sys = await openSys(), directory: path = DEFAULT_DIRECTORY } = options;
  try {
    using directory = StateDirectory.open(sys, path, { readOnly: true });
    return readOptions(directory.records);
  } catch (error) {
    if (isAmbientRedirectError(error, 'ERR_NO_STATE')) return undefined;
    throw error;
  }
}
