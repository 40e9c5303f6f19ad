export type { ByteOrder, CodecOptions } from './byte-order.ts';
export * from './decode.ts';
export * from './encode.ts';
export * from './fields.ts';
export * from './instruction.ts';
export * from './opcode.ts';
export * from './register.ts';
export * from '../source.ts';
