export * from './create.ts';
export { enterNetns } from './enter.ts';
export { currentNetns, Netns, NETNS_DIRECTORY, netnsNames, openNetns, type NetnsReference } from './netns.ts';
