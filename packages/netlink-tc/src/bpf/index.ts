export * from './btf.ts';
export { BPF_COMMAND, type BpfCommand } from './command.ts';
export * from './codec.ts';
export { createMap, mapDifferences, type CreateMapOptions, type MapBtf, type MapOf } from './map-create.ts';
export type { MapMemory } from './map-memory.ts';
export * from './map-info.ts';
export * from './map.ts';
export { CAPABILITY, readPrivileges, type Capability, type Privileges } from './permission.ts';
export { createProbes, type Answer, type ProbeResult, type Probes } from './probe.ts';
export type { ProbedLink } from './probe-since.ts';
export type { BatchCommand, BatchResult, RawMap } from './raw-map.ts';
export * from './program.ts';
export * from './program-load.ts';
export * from './test-run.ts';
export { explainVerifier } from './verifier-explain.ts';
export { summariseLog, type LogSummary } from './verifier-log.ts';
export { anchorOf, type Anchor, type Neighbour, type Order } from './anchor.ts';
export {
  attachCgroup,
  attachNetkit,
  attachNetns,
  attachSockmap,
  attachTcx,
  attachXdp,
  type Attachable,
  type Direction,
  type OrderedOptions,
  type XdpMode,
} from './attach.ts';
export * from './attach-program.ts';
export * from './ids.ts';
export * from './link.ts';
export * from './object.ts';
export * from './pin.ts';
export * from './program-info.ts';
export { readProgramLines } from './program-lines.ts';
export * from './query.ts';
export * from './event-queue.ts';
export * from './ring-buffer.ts';
export * from './perf-reader.ts';
