import { any, not, type Condition, type Value } from 'bpf-asm';
import type { ByFamily, DirectionRules, PolicyFacts } from './facts.ts';
import { isOneOf } from './port-ranges.ts';
import { isWithin, type Address } from './prefixes.ts';
import type { Tools } from './tools.ts';

/** Whether a direction's rules say anything: connections are then told apart by their SYN. */
function hasRules({ includeCidrs, excludeCidrs, includePorts, excludePorts }: DirectionRules): boolean {
  return !(isEmpty(includeCidrs) && isEmpty(excludeCidrs)) || includePorts.length + excludePorts.length > 0;
}

/** Whether some connection of the pod may be excluded, either way. */
export function hasPolicy({ outbound, inbound }: PolicyFacts): boolean {
  return hasRules(outbound) || hasRules(inbound);
}

/**
 * Whether the rules of a direction exclude a connection.
 *
 * @param peer - the address at its other end.
 * @param port - its destination port.
 */
export function isExcluded(tools: Tools, rules: DirectionRules, peer: Address, port: Value<'be16'>): Condition {
  const { includeCidrs, excludeCidrs, includePorts, excludePorts } = rules;
  return any(
    () => isOneOf(port, excludePorts),
    () => includePorts.length > 0 && not(isOneOf(port, includePorts)),
    () => isWithin(tools, peer, excludeCidrs),
    () => !isEmpty(includeCidrs) && not(isWithin(tools, peer, includeCidrs)),
  );
}

function isEmpty({ ipv4, ipv6 }: ByFamily): boolean {
  return ipv4.length + ipv6.length === 0;
}
