export type { DebugSink } from './debug.ts';
export * as kinds from './kinds.ts';
export * from './message.ts';
export * from './monitor.ts';
export { attributeAt, type AttributePath } from './path.ts';
export * from './policy.ts';
export * from './request.ts';
export * from './socket.ts';
export { MessageWriter } from './writer.ts';
