export { appInbound } from './app-inbound.ts';
export { appOutbound } from './app-outbound.ts';
export * from './facts.ts';
export { hostIn } from './host-in.ts';
export { podPlace, type PodPlace } from './pod-place.ts';
export { steer } from './steer.ts';
export { tproxy } from './tproxy.ts';
export { prefixKeys, prefixSets, type PrefixSet } from './prefixes.ts';
