export * from './facts.ts';
export { hostIn } from './host-in.ts';
export { podPlace, type PodPlace } from './pod-place.ts';
export { steer } from './steer.ts';
export { tproxy } from './tproxy.ts';
