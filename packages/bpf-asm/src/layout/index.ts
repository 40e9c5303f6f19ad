export * from './array.ts';
export * from './integers.ts';
export * from './layout.ts';
export * from './struct.ts';
