/**
 * The kernel door: bpf(2), netlink, rtnetlink, tc and network namespaces of Linux, from TypeScript, with no compiler and
 * no native code of our own. Importing it touches nothing: {@link openSys} does.
 * @packageDocumentation
 */
export { errnoName } from './errno.ts';
export * from './error.ts';
export * from './sys/index.ts';
export * from './bpf/index.ts';
export * from './netns/index.ts';
export * from './netlink/index.ts';
export * from './rtnl/index.ts';
export * from './diag/index.ts';
export * from './process/index.ts';
export * from './tc/index.ts';
