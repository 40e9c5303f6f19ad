export * from './parse.ts';
export * from './print.ts';
