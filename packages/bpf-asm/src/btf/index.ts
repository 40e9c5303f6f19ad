export * from './dedup.ts';
export * from './ext-info.ts';
export * from './ext-section.ts';
export * from './from-layout.ts';
export * from './program.ts';
export { readBtf, type Btf, type ReadBtfOptions } from './read.ts';
export type { StringTable } from './strings.ts';
export * from './types.ts';
export * from './write.ts';
