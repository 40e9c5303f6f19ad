export type { AgentReport, Control, ControlStatus, ReadControl, UnmetWish } from './control.ts';
export { DEFAULT_SOCKET, openControl, type ControlOptions } from './open-control.ts';
export { RemoteEngine, type AgentIdentity } from './remote-engine.ts';
export { ControlServer, type ControlServerOptions } from './server.ts';
