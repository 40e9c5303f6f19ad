import { BlockList, isIP } from 'node:net';
import { AmbientRedirectError } from '../error.ts';
import { DIRECTION, VERDICT, type Verdict } from '../maps.ts';
import type { TrafficEvent } from './traffic-event.ts';
import { VERDICT_MEANING } from './verdict-meaning.ts';

/** Which events are wanted, in words: of each list an event must match one, and where a list is empty any does. */
export interface EventFilterWords {
  /** Ids of pods. */
  readonly pods: readonly string[];
  /** `outbound`, `inbound`. */
  readonly directions: readonly string[];
  /** Verdicts, and `redirected`, `passed` and `dropped`: all verdicts with that outcome. */
  readonly verdicts: readonly string[];
  /** Addresses and prefixes, of either end. */
  readonly addresses: readonly string[];
  /** Ports and ranges such as `8000-8099`, of either end. */
  readonly ports: readonly string[];
  /** `tcp`, `udp`, `icmp` (that of IPv6 too), and numbers of protocols. */
  readonly protocols: readonly string[];
}

/** Which events are wanted. */
export interface EventFilter {
  /** What programs can be told not to tell; undefined where all pods and verdicts are wanted. */
  readonly pods: readonly string[] | undefined;
  readonly verdicts: readonly Verdict[] | undefined;
  /** Whether an event is wanted. */
  matches(event: TrafficEvent): boolean;
}

/** Names of protocols, with their numbers (the registry of protocol numbers at IANA). */
const PROTOCOLS: Readonly<Record<string, readonly number[]>> = { tcp: [6], udp: [17], icmp: [1, 58] };

/** What `verdicts` takes besides verdicts. */
const OUTCOMES = [...new Set(Object.values(VERDICT_MEANING).map(({ outcome }) => outcome))];

type Test = (event: TrafficEvent) => boolean;

/**
 * Reads which events are wanted.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for a word that is none
 * @example
 * ```ts
 * const filter = parseEventFilter({ ...NO_WORDS, verdicts: ['dropped'], addresses: ['10.0.0.0/8'] });
 * for await (const event of stream) if (filter.matches(event)) console.log(event);
 * ```
 */
export function parseEventFilter(words: EventFilterWords): EventFilter {
  const verdicts = words.verdicts.flatMap(verdictsOf);
  const pods = new Set(words.pods);
  const directions = new Set(words.directions.map((name) => oneOf('direction', name, Object.keys(DIRECTION))));
  const kinds = new Set(verdicts);
  const protocols = new Set(words.protocols.flatMap(protocolNumbers));
  const ranges = words.ports.map(portRange);
  const tests: Test[] = [
    ...(pods.size === 0 ? [] : [({ pod }: TrafficEvent) => pod !== undefined && pods.has(pod)]),
    ...(directions.size === 0 ? [] : [({ direction }: TrafficEvent) => directions.has(direction)]),
    ...(kinds.size === 0 ? [] : [({ verdict }: TrafficEvent) => kinds.has(verdict)]),
    ...(protocols.size === 0 ? [] : [({ protocol }: TrafficEvent) => protocols.has(protocol)]),
    ...(ranges.length === 0 ? [] : [portTest(ranges)]),
    ...(words.addresses.length === 0 ? [] : [addressTest(words.addresses)]),
  ];
  return {
    pods: pods.size === 0 ? undefined : [...pods],
    verdicts: kinds.size === 0 ? undefined : [...kinds],
    matches: (event) => tests.every((test) => test(event)),
  };
}

function verdictsOf(word: string): Verdict[] {
  const names = Object.keys(VERDICT) as Verdict[];
  const known = oneOf('verdict', word, [...names, ...OUTCOMES]);
  return names.filter((name) => name === known || VERDICT_MEANING[name].outcome === known);
}

function protocolNumbers(word: string): readonly number[] {
  if (/^\d{1,3}$/.test(word) && Number(word) <= 255) return [Number(word)];
  return PROTOCOLS[oneOf('protocol', word, Object.keys(PROTOCOLS), ' or a number up to 255')] ?? [];
}

function portRange(word: string): readonly [first: number, last: number] {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(word) ?? [];
  if (first === undefined || Number(last) > 0xffff || Number(first) > Number(last))
    throw wrong('port', word, 'a number up to 65535, or a range such as 8000-8099');
  return [Number(first), Number(last)];
}

function portTest(ranges: readonly (readonly [first: number, last: number])[]): Test {
  const isWanted = (port: number): boolean => ranges.some(([first, last]) => first <= port && port <= last);
  return (event) => hasPorts(event) && (isWanted(event.sourcePort) || isWanted(event.destinationPort));
}

/** Whether a packet has ports. Where a fragment of one was seen that has none, they are 0. */
export function hasPorts({ protocol }: Pick<TrafficEvent, 'protocol'>): boolean {
  return protocol === 6 || protocol === 17;
}

function addressTest(words: readonly string[]): Test {
  // One for each family: a prefix of IPv6 would take IPv4 for mapped into it.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const word of words) {
    const [address = '', length, ...rest] = word.split('/');
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= most);
    if (version === 0 || !isLength || rest.length > 0 || address.includes('%'))
      throw wrong('address', word, 'an address, or a prefix such as 10.0.0.0/8');
    const family = version === 6 ? 'ipv6' : 'ipv4';
    lists[family].addSubnet(address, length === undefined ? most : Number(length), family);
  }
  return ({ source, destination, family }) =>
    lists[family].check(source, family) || lists[family].check(destination, family);
}

function oneOf(what: string, word: string, candidates: readonly string[], more = ''): string {
  if (candidates.includes(word)) return word;
  throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${JSON.stringify(word)} is no ${what}`, {
    candidates,
    hint: `give one of ${candidates.join(', ')}${more}`,
  });
}

function wrong(what: string, word: string, should: string): AmbientRedirectError {
  return new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${JSON.stringify(word)} is no ${what}`, {
    hint: `give ${should}`,
  });
}
