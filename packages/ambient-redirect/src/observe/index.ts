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
export { hasPorts, parseEventFilter, type EventFilter, type EventFilterWords } from './event-filter.ts';
export { PcapngWriter, type PcapngOptions } from './pcapng.ts';
export { VERDICT_MEANING, type Outcome, type VerdictMeaning } from './verdict-meaning.ts';
export { isoTime, wallClock } from './wall-clock.ts';
export { ratesOf, type Counts, type PodRates, type Rates, type TrafficRate } from './rates.ts';
