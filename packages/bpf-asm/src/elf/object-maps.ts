import { MAP_TYPE, type MapDefinition, type Program } from '../asm/index.ts';
import type { BtfMap } from '../btf/index.ts';
import { BpfAsmError } from '../error.ts';
import { isDataSection } from './data-sections.ts';

/**
 * The maps of all programs, those that are sections of variables apart.
 *
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when two maps of one name differ, `ERR_UNSUPPORTED` when what programs name of a map is not
 * what an object can say.
 */
export function splitMaps(programs: readonly Program[]): { plain: MapDefinition[]; variables: MapDefinition[] } {
  const maps = new Map<string, MapDefinition>();
  const byAddress = new Set<string>();
  const byValue = new Set<string>();
  for (const { maps: own, instructions } of programs) {
    for (const map of own) {
      const known = maps.get(map.name) ?? map;
      if (!sameMap(known, map))
        throw new BpfAsmError('ERR_INVALID_ARGUMENT', `there are two maps ${map.name} that differ`);
      maps.set(map.name, known);
    }
    for (const { kind, ...rest } of instructions) {
      if (kind !== 'ld_imm64' || !('value' in rest) || typeof rest.value !== 'object' || !('map' in rest.value))
        continue;
      (rest.value.type === 'map_value' ? byValue : byAddress).add(String(rest.value.map));
    }
  }
  const all = [...maps.values()];
  const variables = all.filter(({ name }) => byValue.has(name) || isDataSection(name));
  for (const { name, type, keySize, maxEntries } of variables) {
    if (type !== 'array' || keySize !== 4 || maxEntries !== 1)
      throw new BpfAsmError(
        'ERR_UNSUPPORTED',
        `map ${name} is no array of one element, so there is no address in its value`,
      );
    if (byAddress.has(name))
      throw new BpfAsmError('ERR_UNSUPPORTED', `programs name both map ${name} and its value, which no object can say`);
  }
  return { plain: all.filter((map) => !variables.includes(map)), variables };
}

function sameMap(a: MapDefinition, b: MapDefinition): boolean {
  return (
    a === b ||
    (a.type === b.type &&
      a.keySize === b.keySize &&
      a.valueSize === b.valueSize &&
      a.maxEntries === b.maxEntries &&
      (a.flags ?? 0) === (b.flags ?? 0) &&
      (a.inner === b.inner || (a.inner !== undefined && b.inner !== undefined && sameMap(a.inner, b.inner))))
  );
}

/** A map as BTF has it. The kernel takes the types of keys and values only together. */
export function btfMap({ type, inner, key, value, ...map }: MapDefinition): BtfMap {
  return {
    ...map,
    type: MAP_TYPE[type],
    ...(key === undefined || value === undefined ? {} : { key, value }),
    ...(inner === undefined ? {} : { inner: btfMap(inner) }),
  };
}

/**
 * What a section of variables holds at first, checked.
 *
 * @returns undefined where it is zero.
 */
export function initialData(
  map: MapDefinition,
  section: string,
  initial: Uint8Array | undefined,
): Uint8Array | undefined {
  if (initial !== undefined && section.startsWith('.bss'))
    throw new BpfAsmError('ERR_INVALID_ARGUMENT', `${section} holds zeros, and data is given for it`, {
      field: 'data',
    });
  if (initial === undefined || initial.length === map.valueSize) return initial;
  throw new BpfAsmError(
    'ERR_INVALID_ARGUMENT',
    `map ${map.name} has ${map.valueSize} bytes, and ${initial.length} are given`,
    { field: 'data' },
  );
}
