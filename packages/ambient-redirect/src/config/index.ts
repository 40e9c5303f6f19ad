export { loadConfig, loadPod, type AgentConfig } from './config.ts';
export type { ListenAddress } from './listen-address.ts';
export { parsePods } from './pods.ts';
