export * from './cfg.ts';
export * from './graph.ts';
export * from './json.ts';
export * from './parse.ts';
export * from './print.ts';
