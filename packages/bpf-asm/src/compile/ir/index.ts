export * from './builder.ts';
export * from './ir.ts';
export type { IrVariable } from './variables.ts';
