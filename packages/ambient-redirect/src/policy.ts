import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { AmbientRedirectError } from './error.ts';
import type { ByFamily, DirectionRules, PolicyFacts, PortRanges } from './programs/facts.ts';

/** A port, or a range of them with both ends included, such as `8000-8099`. */
export type PortSpec = number | `${number}-${number}` | `${number}`;

/** What of one direction is captured. */
export interface TrafficRules {
  /** If given, only these: destinations of what goes out, sources of what comes in. Prefixes, or addresses. */
  readonly includeCidrs?: readonly string[];
  readonly excludeCidrs?: readonly string[];
  /** If given, only connections to these ports. */
  readonly includePorts?: readonly PortSpec[];
  readonly excludePorts?: readonly PortSpec[];
}

/** What of a pod's traffic is captured: all TCP where nothing is said. */
export interface PodPolicy {
  /** DNS over UDP as well; as the engine's option says if left out. */
  readonly dns?: boolean;
  /** Of the connections that it opens. */
  readonly outbound?: TrafficRules;
  /** Of the connections that others open to it. */
  readonly inbound?: TrafficRules;
}

/** Ranges that a policy may have in one list: each is a comparison in a program. */
export const MAX_PORT_RANGES = 64;
/** Prefixes that a policy may have in one list. */
const MAX_CIDRS = 4096;

const RULES = ['includeCidrs', 'excludeCidrs', 'includePorts', 'excludePorts'] as const;

/**
 * Checks a policy and brings it into the form that programs are made of: sorted, without repetition, so that equal policies are equal values.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT`, with the path of what is wrong
 */
export function normalisePolicy(policy: PodPolicy, defaults: { readonly dns: boolean }, path = 'policy'): PolicyFacts {
  known(policy, ['dns', 'outbound', 'inbound'], path);
  const { dns = defaults.dns, outbound = {}, inbound = {} } = policy;
  if (typeof dns !== 'boolean') throw invalid(`${path}.dns`, 'is true or false', dns);
  return { dns, outbound: rules(outbound, `${path}.outbound`), inbound: rules(inbound, `${path}.inbound`) };
}

function rules(given: TrafficRules, path: string): DirectionRules {
  known(given, RULES, path);
  const { includeCidrs = [], excludeCidrs = [], includePorts = [], excludePorts = [] } = given;
  return {
    includeCidrs: normaliseCidrs(includeCidrs, `${path}.includeCidrs`),
    excludeCidrs: normaliseCidrs(excludeCidrs, `${path}.excludeCidrs`),
    includePorts: normalisePorts(includePorts, `${path}.includePorts`),
    excludePorts: normalisePorts(excludePorts, `${path}.excludePorts`),
  };
}

/**
 * Prefixes by family, in their usual form, sorted and without repetition. An address stands for itself alone.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for what is no prefix, or has bits after its length
 */
export function normaliseCidrs(given: readonly string[], path: string): ByFamily {
  if (!Array.isArray(given)) throw invalid(path, 'is a list of prefixes', given);
  if (given.length > MAX_CIDRS) throw invalid(path, `has at most ${MAX_CIDRS} prefixes`, given.length);
  const all = given.map((each, index) => normaliseCidr(each, `${path}[${index}]`));
  const sorted = (ipv6: boolean): string[] => [...new Set(all.filter((one) => one.includes(':') === ipv6))].toSorted();
  return { ipv4: sorted(false), ipv6: sorted(true) };
}

function normaliseCidr(given: string, path: string): string {
  const wanted = "is a prefix such as '10.0.0.0/8' or 'fd00::/8'";
  if (typeof given !== 'string') throw invalid(path, wanted, given);
  const [address = '', length, ...more] = given.split('/');
  const layout = address.includes(':') ? ipv6Address : ipv4Address;
  const most = layout.size * 8;
  const bits = length === undefined ? most : Number(length);
  const isNumber = length === undefined || /^\d{1,3}$/.test(length);
  if (more.length > 0 || !isNumber || bits > most || layout.check(address) !== undefined)
    throw invalid(path, wanted, given);
  const bytes = layout.encode(address);
  const network = bytes.map((byte, at) => byte & (0xff << Math.max(0, Math.min(8, (at + 1) * 8 - bits))));
  const prefix = `${layout.decode(network)}/${bits}`;
  if (network.some((byte, at) => byte !== bytes[at])) {
    throw invalid(path, `has bits after its length: write ${prefix}, or ${layout.decode(bytes)}/${most}`, given);
  }
  return prefix;
}

/** Ranges that neither overlap nor touch, in order. */
function normalisePorts(given: readonly PortSpec[], path: string): PortRanges {
  if (!Array.isArray(given)) throw invalid(path, 'is a list of ports', given);
  const ranges = given.map((each, index) => portRange(each, `${path}[${index}]`)).toSorted(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [first, last] of ranges) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  if (merged.length > MAX_PORT_RANGES) throw invalid(path, `has at most ${MAX_PORT_RANGES} ranges`, merged.length);
  return merged;
}

function portRange(given: PortSpec, path: string): [number, number] {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(given)) ?? [];
  const range: [number, number] = [Number(first), Number(last)];
  if (first !== undefined && range[0] >= 1 && range[0] <= range[1] && range[1] <= 0xffff) return range;
  throw invalid(path, "is a port from 1 to 65535, or a range such as '8000-8099'", given);
}

/** Refuses members that nobody knows: a misspelt one would capture what should not be. */
export function known(given: object, names: readonly string[], path: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid(path, 'is an object', given);
  const stranger = Object.keys(given).find((name) => !names.includes(name));
  if (stranger === undefined) return;
  throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${path} has no member ${stranger}`, {
    candidates: names,
    hint: `it may have ${names.join(', ')}`,
  });
}

/** The error for a value that is not what it should be. */
export function invalid(path: string, should: string, found: unknown): AmbientRedirectError {
  return new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${path} ${should}; it is ${show(found)}`);
}

function show(found: unknown): string {
  if (typeof found === 'bigint') return `${found}`;
  return JSON.stringify(found) ?? String(found);
}
