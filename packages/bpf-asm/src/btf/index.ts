export * from './dedup.ts';
export { readBtf, type Btf, type ReadBtfOptions } from './read.ts';
export * from './types.ts';
export * from './write.ts';
