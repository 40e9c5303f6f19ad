export * from './helper.ts';
export * from './helpers.gen.ts';
export * from './lookup.ts';
