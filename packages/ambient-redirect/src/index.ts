/**
 * The engine: catches the traffic of pods on a node and hands it to the node-local proxy.
 * @packageDocumentation
 */
export { DEFAULT_PORTS, type ProxyPorts } from './ports.ts';
export * from './error.ts';
export * from './topology/index.ts';
export * from './node/index.ts';
export type { PodPolicy, PortSpec, TrafficRules } from './policy.ts';
export * from './observe/index.ts';
export * from './engine/index.ts';
export * from './control/index.ts';
