import { readFileSync } from 'node:fs';
import { TC_ACT } from './action.ts';
import type { HelperResult } from './returns.ts';

/** Helpers whose return value becomes a verdict, by their symbol in the kernel and their number in `enum bpf_func_id`. */
const HELPERS = { bpf_tail_call: 12, bpf_redirect: 23, bpf_redirect_neigh: 152, bpf_redirect_peer: 155 } as const;

/** The kernel's function that immediates of calls count from, in instructions that were read back. */
const CALL_BASE = '__bpf_call_base';

/**
 * Numbers of `HELPERS` of `bpf-asm` by the immediates that calls have in translated instructions: distances between functions of the
 * running kernel. Empty where its symbols may not be read (`kernel.kptr_restrict`, no `CAP_SYSLOG`).
 */
export function translatedHelpers(symbols: string = readSymbols()): ReadonlyMap<number, number> {
  const wanted = new RegExp(`^([0-9a-f]+) [tTwW] (${CALL_BASE}|${Object.keys(HELPERS).join('|')})$`, 'gm');
  const addresses = new Map([...symbols.matchAll(wanted)].map(([, address, name]) => [name, BigInt(`0x${address}`)]));
  const base = addresses.get(CALL_BASE);
  const numbers = new Map<number, number>();
  if (base === undefined || base === 0n) return numbers;
  for (const [name, number] of Object.entries(HELPERS)) {
    const address = addresses.get(name);
    if (address !== undefined) numbers.set(Number(BigInt.asIntN(32, address - base)), number);
  }
  return numbers;
}

function readSymbols(): string {
  try {
    return readFileSync('/proc/kallsyms', 'latin1');
  } catch {
    return '';
  }
}

const REDIRECT = BigInt(TC_ACT.REDIRECT);
const SHOT = BigInt(TC_ACT.SHOT);

/**
 * What helpers give back that programs of tc return as they are: `bpf_redirect` and its sisters give `TC_ACT_REDIRECT`, or
 * `TC_ACT_SHOT` for flags they do not know.
 * @param translated numbers by immediate, from {@link translatedHelpers}; without it immediates are numbers themselves
 */
export function tcHelperResult(translated?: () => ReadonlyMap<number, number>): HelperResult {
  return (immediate, argument) => {
    // The call of a tail call keeps its number when it is read back.
    const number =
      immediate === HELPERS.bpf_tail_call
        ? immediate
        : translated === undefined
          ? immediate
          : translated().get(immediate);
    const harmless = (flags: readonly bigint[] | undefined, good: readonly bigint[]): boolean =>
      flags !== undefined && flags.every((each) => good.includes(each));
    switch (number) {
      case HELPERS.bpf_tail_call:
        return 'tail-call';
      case HELPERS.bpf_redirect:
        return harmless(argument(2), [0n, 1n]) ? [REDIRECT] : [SHOT, REDIRECT];
      case HELPERS.bpf_redirect_peer:
        return harmless(argument(2), [0n]) ? [REDIRECT] : [SHOT, REDIRECT];
      case HELPERS.bpf_redirect_neigh:
        return harmless(argument(3), [0n]) && harmless(argument(4), [0n]) ? [REDIRECT] : [SHOT, REDIRECT];
      default:
        return undefined;
    }
  };
}
