import type { Helper } from './helper.ts';
import { HELPERS } from './helpers.gen.ts';

const BY_NAME: ReadonlyMap<string, Helper> = new Map(HELPERS.map((helper) => [helper.name, helper]));

/**
 * The helper of a number; nothing where Linux has none.
 *
 * @param id - a number of `enum bpf_func_id`.
 */
export function helperById(id: number): Helper | undefined {
  // Numbers are dense and begin at 1; a test holds the table to that.
  return HELPERS[id - 1];
}

/**
 * The helper of a name; nothing where Linux has none.
 *
 * @param name - with or without the prefix `bpf_`.
 * @example
 * ```ts
 * helperByName('bpf_map_lookup_elem')?.id; // 1
 * ```
 */
export function helperByName(name: string): Helper | undefined {
  return BY_NAME.get(name.startsWith('bpf_') ? name.slice(4) : name);
}
