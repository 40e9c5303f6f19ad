export {
  DEFAULT_SOCKET,
  type AgentReport,
  type Control,
  type ControlStatus,
  type ReadControl,
  type UnmetWish,
} from './control.ts';
export { openControl, type ControlOptions } from './open-control.ts';
export { RemoteEngine, type AgentIdentity } from './remote-engine.ts';
export { ControlServer, type ControlServerOptions } from './server.ts';
