export type { AgentReport, Control, ControlStatus, ReadControl, UnmetWish } from './control.ts';
export { DEFAULT_SOCKET, openControl, type ControlOptions } from './open-control.ts';
