import { constants } from 'node:os';
import { ENOTSUPP } from '../error.ts';
import type { RawMap } from './raw-map.ts';

const { EINVAL, ENOENT, EOPNOTSUPP, EPERM } = constants.errno;

/** Most elements of one call: more gains nothing, and the kernel copies keys and values through its own memory. */
const MOST = 4096;

/** Whether a result says that the kernel has no batches for this map: other errors are about the elements. */
export function hasNoBatch(result: number): boolean {
  return result === -ENOTSUPP || result === -EOPNOTSUPP || result === -EINVAL;
}

/**
 * Sets `count` elements that lie packed in `keys` and `values`, in batches, and where the kernel has none one by one.
 * @returns 0, or the negative error number of the element that failed
 */
export function updateBatch(map: RawMap, keys: Uint8Array, values: Uint8Array, count: number, flags: bigint): number {
  const keySize = map.key.length;
  const valueSize = map.value.length;
  let done = 0;
  // The kernel's batches know no flag but the spin lock's: `noexist` and `exist` go one by one.
  const batched = flags === 0n ? count : 0;
  while (done < batched) {
    const n = Math.min(MOST, batched - done);
    const { result, count: did } = map.batch(
      'BPF_MAP_UPDATE_BATCH',
      keys.subarray(done * keySize, (done + n) * keySize),
      values.subarray(done * valueSize, (done + n) * valueSize),
      n,
    );
    if (result < 0) {
      if (done === 0 && hasNoBatch(result)) break;
      return result;
    }
    done += did;
  }
  for (; done < count; done += 1) {
    map.key.set(keys.subarray(done * keySize, (done + 1) * keySize));
    map.value.set(values.subarray(done * valueSize, (done + 1) * valueSize));
    const result = map.update(flags);
    if (result < 0) return result;
  }
  return 0;
}

/**
 * Deletes the `count` keys that lie packed in `keys`; keys that are not there are passed over.
 * @returns how many were there, or the negative error number
 */
export function deleteBatch(map: RawMap, keys: Uint8Array, count: number): number {
  const keySize = map.key.length;
  let at = 0;
  let deleted = 0;
  while (at < count) {
    const n = Math.min(MOST, count - at);
    const { result, count: did } = map.batch(
      'BPF_MAP_DELETE_BATCH',
      keys.subarray(at * keySize, (at + n) * keySize),
      new Uint8Array(0),
      n,
    );
    if (result < 0 && result !== -ENOENT) {
      if (at > 0 || !(hasNoBatch(result) || result === -EPERM)) return result;
      break;
    }
    deleted += did;
    // The batch stops at a key that is not there: step over it.
    at += result === -ENOENT ? did + 1 : n;
  }
  for (; at < count; at += 1) {
    map.key.set(keys.subarray(at * keySize, (at + 1) * keySize));
    const result = map.delete();
    if (result === 0) deleted += 1;
    else if (result !== -ENOENT) return result;
  }
  return deleted;
}
