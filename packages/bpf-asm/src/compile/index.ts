export * from './ir/index.ts';
export * from './compile.ts';
