export * from './array.ts';
export * from './create-map.ts';
export * from './hash.ts';
export * from './lpm-trie.ts';
export * from './map.ts';
export * from './object-map.ts';
export * from './ringbuf.ts';
