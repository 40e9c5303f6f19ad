export * from './engine.ts';
export type { ProxyReference, ProxyState } from './proxy-side.ts';
export type { Enrolment, EnrolmentFailure, PodRequest } from './enroll.ts';
export type { Repair } from './converge.ts';
export type { HookRecord, HookState } from './hook.ts';
export { DEFAULT_DIRECTORY, DEFAULT_MARK, DEFAULT_PRIORITY, type EngineOptions } from './options.ts';
export type { PodPhase } from './pod-record.ts';
export type { ReconcileReport } from './reconcile.ts';
export type { EngineStatus, HookStatus, PodStatus } from './status.ts';
