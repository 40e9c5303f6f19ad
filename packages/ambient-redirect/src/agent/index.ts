export { Agent, type AgentOptions } from './agent.ts';
export { lineLog, type AgentLog, type LineLogOptions } from './log.ts';
export { planOf, type AgentPlan } from './plan.ts';
