export type { ContextField, ContextLayout, ContextValue, ContextValues } from './context-layout.ts';
export * from './context.ts';
export * from './sk-buff.ts';
export * from './socket-contexts.ts';
export * from './xdp-md.ts';
