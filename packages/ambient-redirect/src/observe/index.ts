export {
  readSteered,
  readTraffic,
  type CounterReader,
  type SteeredCounts,
  type TrafficCount,
} from './traffic-counters.ts';
export { trafficCodec, type TrafficEvent } from './traffic-event.ts';
