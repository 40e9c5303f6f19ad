import { all, any, type Condition, type Value } from 'bpf-asm';
import { AmbientRedirectError } from '../error.ts';
import type { PortRanges } from './facts.ts';

/** Ranges of a policy up to which a program is made: each is two comparisons. */
const MOST_RANGES = 64;

/**
 * Whether a port is of one of the ranges.
 *
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` as {@link mergePorts} does
 */
export function isOneOf(port: Value<'be16'>, ranges: PortRanges): Condition {
  return any(
    ...mergePorts(ranges).map(([first, last]) => () => {
      if (first === last) return port.eq(first);
      const number = port.toHost();
      return all(first === 0 || number.ge(first), last === 0xffff || number.le(last));
    }),
  );
}

/**
 * The same ports in as few ranges as there can be, in order.
 *
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for what is no range of ports, or more than 64 ranges
 */
export function mergePorts(ranges: PortRanges): PortRanges {
  const merged: [first: number, last: number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (!(isPort(first) && isPort(last) && first <= last)) {
      throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${first} to ${last} are no ports`, {
        hint: 'ports are whole numbers from 0 to 65535, the smaller one first',
      });
    }
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  if (merged.length <= MOST_RANGES) return merged;
  throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${merged.length} ranges of ports in one list`, {
    hint: `a list has at most ${MOST_RANGES}: name wider ranges`,
  });
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff;
}
