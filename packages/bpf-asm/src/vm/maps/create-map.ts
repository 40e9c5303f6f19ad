import type { MapDefinition } from '../../asm/program.ts';
import { BpfAsmError } from '../../error.ts';
import { ArrayMap } from './array.ts';
import { HashMap } from './hash.ts';
import { LpmTrieMap } from './lpm-trie.ts';
import type { VmMap, VmMapOptions } from './map.ts';
import { ObjectMap } from './object-map.ts';
import { RingbufMap } from './ringbuf.ts';

/**
 * Makes a map of the interpreter from its definition.
 *
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when the kernel would refuse the definition, `ERR_UNSUPPORTED` when the interpreter
 * has no maps of this type.
 * @example
 * ```ts
 * const pods = createMap({ name: 'pods', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 64 });
 * ```
 */
export function createMap(definition: MapDefinition, options: VmMapOptions = { cpus: 1 }): VmMap {
  switch (definition.type) {
    case 'array':
    case 'percpu_array':
      return new ArrayMap(definition, options);
    case 'hash':
    case 'lru_hash':
    case 'percpu_hash':
    case 'lru_percpu_hash':
      return new HashMap(definition, options);
    case 'lpm_trie':
      return new LpmTrieMap(definition);
    case 'ringbuf':
      return new RingbufMap(definition);
    case 'prog_array':
    case 'perf_event_array':
    case 'sockmap':
    case 'sockhash':
      return new ObjectMap(definition);
    default:
      throw new BpfAsmError(
        'ERR_UNSUPPORTED',
        `map ${definition.name}: the interpreter has no maps of type ${definition.type}`,
      );
  }
}
