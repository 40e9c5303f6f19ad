export { Agent, type AgentOptions } from './agent.ts';
export { lineLog, type AgentLog } from './log.ts';
export { planOf } from './plan.ts';
