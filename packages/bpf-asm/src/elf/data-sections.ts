import { MAP_FLAG, type MapDefinition } from '../asm/index.ts';

/** Tells whether a section holds variables, which libbpf makes an array of one element of. */
export function isDataSection(name: string): boolean {
  return /^\.(data|rodata|bss)(\.|$)/.test(name);
}

/** The section that a map's value goes into. */
export function dataSectionOf({ name, flags = 0 }: MapDefinition): string {
  if (isDataSection(name)) return name;
  return `${(flags & MAP_FLAG.RDONLY_PROG) === 0 ? '.data' : '.rodata'}.${name}`;
}

/** The map that a section of variables is. */
export function mapOfData(name: string, size: number): MapDefinition {
  const map = { name, type: 'array', keySize: 4, valueSize: size, maxEntries: 1 } as const;
  return name.startsWith('.rodata') ? { ...map, flags: MAP_FLAG.RDONLY_PROG } : map;
}
