export * from './facts.ts';
export { podPlace, type PodPlace } from './pod-place.ts';
