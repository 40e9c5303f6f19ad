export * from './addresses.ts';
export * from './array.ts';
export * from './bytes.ts';
export * from './integers.ts';
export * from './layout.ts';
export * from './struct.ts';
