export {
  readConnections,
  readSteered,
  readTraffic,
  type ConnectionCount,
  type CounterReader,
  type SteeredCounts,
  type TrafficCount,
} from './traffic-counters.ts';
export { readTrafficEvent, type TellingProgram, type TrafficEvent } from './traffic-event.ts';
