import type { ChainEntry, HookChain } from './chain.ts';
import { ETH_P, type Filter } from './filter.ts';
import { formatHandle } from './handle.ts';
import { TC_ACT } from './action.ts';
import type { BpfFilterOptions } from './options.ts';
import type { Returns } from './returns.ts';

const PROTOCOLS = new Map<number, string>(
  Object.entries(ETH_P).map(([name, value]) => [value, name === 'IPV6' ? 'ipv6' : name.toLowerCase()]),
);
const CODES = new Map<number, string>(Object.entries(TC_ACT).map(([name, value]) => [value, name.toLowerCase()]));

/** A filter in the words of `tc filter show`. */
export function formatFilter({ protocol, priority, kind, chain, handle, options }: Filter): string {
  const name = PROTOCOLS.get(protocol) ?? `[${protocol}]`;
  const number = kind === 'u32' ? formatHandle(handle) : `0x${handle.toString(16)}`;
  const words = [`filter protocol ${name} pref ${priority} ${kind} chain ${chain} handle ${number}`];
  const { name: own, flags = 0 } = (kind === 'bpf' ? (options ?? {}) : {}) as BpfFilterOptions;
  if (own !== undefined) words.push(own);
  if ((flags & 1) !== 0) words.push('direct-action');
  return words.join(' ');
}

function formatReturns(returns: Returns | undefined): string {
  if (returns === undefined) return 'unread';
  const names = returns.codes.map((code) => CODES.get(code) ?? String(code));
  return [...names, ...(returns.unknown ? ['?'] : [])].join('|');
}

function formatEntry(entry: ChainEntry, index: number): string {
  const { layer, filter, program, linkId, owner, returns, verdicts, reached, shadowedBy } = entry;
  const words = [`${index}:`, layer];
  if (filter !== undefined) words.push(formatFilter(filter));
  if (program !== undefined) {
    words.push(`id ${program.id}`);
    if (program.name !== undefined) words.push(`name ${program.name} tag ${program.tag}`);
    if (linkId !== undefined && linkId !== 0) words.push(`link_id ${linkId}`);
    words.push(`returns ${formatReturns(returns)}`);
  }
  if (owner !== undefined) words.push(`owner ${owner}`);
  words.push(`-> ${verdicts.join('|')}`);
  if (reached !== 'always')
    words.push(`(${reached} reached: ${shadowedBy.map((each) => `entry ${each}`).join(', ')} before it)`);
  return words.join(' ');
}

/** A chain as text: one line an entry, in the words of `tc filter show` and `bpftool net`, with what it returns and who hides it. */
export function formatChain({ device, direction, entries, passes }: HookChain): string {
  const head = `link ${device} ${direction}: ${entries.length} entries, a packet passes: ${passes}`;
  return [head, ...entries.map((entry, index) => `  ${formatEntry(entry, index)}`)].join('\n');
}
