export { hostAddresses, normaliseAddress, type Addresses } from './addresses.ts';
export { Host } from './host.ts';
export { resolvePod, type ResolveOptions } from './resolve.ts';
export type { InterfaceEnd, PodReference, Topology } from './topology.ts';
