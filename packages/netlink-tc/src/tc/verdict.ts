import { TC_ACT, type Action, type ActionOptions } from './action.ts';
import { ETH_P, type Filter } from './filter.ts';
import { BPF_DIRECT_ACTION, type BpfFilterOptions, type MatchallOptions, type U32Options } from './options.ts';
import type { Returns } from './returns.ts';

/**
 * What becomes of a packet after one entry of a hook: `next` goes to the entry behind it; `leave` skips what is left of tcx and goes on
 * with clsact; the others end the hook. `unknown` may be any of them.
 */
export type Verdict = 'next' | 'leave' | 'pass' | 'drop' | 'stolen' | 'redirect' | 'unknown';

/** Whether a verdict ends the hook. */
export function endsHook(verdict: Verdict): boolean {
  return verdict !== 'next' && verdict !== 'leave';
}

function unique(verdicts: readonly Verdict[], unknown: boolean): readonly Verdict[] {
  return [...new Set(unknown ? [...verdicts, 'unknown' as const] : verdicts)];
}

/**
 * What the codes of a program on tcx do (`tcx_run` of Linux' net/core/dev.c): only `TCX_NEXT`, -1, goes to the next program. Codes
 * that tcx does not know end its own list, and then count as "next": the filters of clsact still run.
 */
export function tcxVerdicts({ codes, unknown }: Returns): readonly Verdict[] {
  const known: Readonly<Record<number, Verdict>> = {
    [TC_ACT.UNSPEC]: 'next',
    [TC_ACT.OK]: 'pass',
    [TC_ACT.SHOT]: 'drop',
    [TC_ACT.REDIRECT]: 'redirect',
  };
  return unique(
    codes.map((code) => known[code] ?? 'leave'),
    unknown,
  );
}

/** What a code that a classifier of clsact gives does (`sch_handle_ingress` and `sch_handle_egress` of net/core/dev.c). */
function classifyVerdict(code: number): Verdict {
  switch (code) {
    case TC_ACT.UNSPEC:
      return 'next';
    case TC_ACT.SHOT:
      return 'drop';
    case TC_ACT.STOLEN:
    case TC_ACT.QUEUED:
    case TC_ACT.TRAP:
      return 'stolen';
    case TC_ACT.REDIRECT:
      return 'redirect';
    case TC_ACT.OK:
    case TC_ACT.PIPE:
      return 'pass';
    default:
      return 'unknown';
  }
}

/** Codes that a `bpf` filter with direct action takes as they are (`cls_bpf_exec_opcode` of net/sched/cls_bpf.c); others are "next". */
const DIRECT: ReadonlySet<number> = new Set([
  TC_ACT.OK,
  TC_ACT.SHOT,
  TC_ACT.STOLEN,
  TC_ACT.TRAP,
  TC_ACT.REDIRECT,
  TC_ACT.UNSPEC,
]);

/** What the actions of a filter that matched give: those of the last, or of the first that does not say "go on" (`PIPE`). */
function actionVerdicts(actions: readonly Action[] | undefined): readonly Verdict[] {
  if (actions === undefined || actions.length === 0) return ['pass'];
  const verdicts: Verdict[] = [];
  for (const [index, { kind, options }] of actions.entries()) {
    const action = (options as ActionOptions | undefined)?.parameters?.action;
    if (action === undefined) return [...verdicts, 'unknown'];
    const last = index === actions.length - 1;
    if (action === TC_ACT.PIPE && !last) continue;
    verdicts.push(classifyVerdict(action));
    // A redirect that fails gives SHOT, or what was configured.
    if (kind === 'mirred' && action === TC_ACT.STOLEN) verdicts.push('drop');
    break;
  }
  return verdicts;
}

/** What a filter of clsact can do with a packet. `returns` is what its program can return, where it has one. */
export function filterVerdicts(filter: Filter, returns: Returns | undefined): readonly Verdict[] {
  const { kind, options, protocol } = filter;
  // Frames of other protocols pass it by.
  const always = protocol === ETH_P.ALL;
  const matched = matchVerdicts(kind, options, returns);
  return unique(always ? matched : [...matched, 'next'], false);
}

function matchVerdicts(kind: string, options: unknown, returns: Returns | undefined): readonly Verdict[] {
  if (kind === 'bpf') {
    const { flags = 0, actions } = (options ?? {}) as BpfFilterOptions;
    if (returns === undefined) return ['unknown'];
    const { codes, unknown } = returns;
    if ((flags & BPF_DIRECT_ACTION) !== 0) {
      return unique(
        codes.map((code) => (DIRECT.has(code) ? classifyVerdict(code) : 'next')),
        unknown,
      );
    }
    // Without direct action the code is a class: 0 is "no match", anything else runs the actions.
    const matches = unknown || codes.some((code) => code !== 0);
    const misses = unknown || codes.includes(0);
    return [...(matches ? actionVerdicts(actions) : []), ...(misses ? (['next'] as const) : [])];
  }
  const { actions } = (options ?? {}) as MatchallOptions & U32Options;
  if (kind === 'matchall') return actionVerdicts(actions);
  if (kind === 'u32') {
    const { selector } = options as U32Options;
    const all = selector?.keys.every(({ mask }) => mask === 0) === true;
    return all ? actionVerdicts(actions) : [...actionVerdicts(actions), 'next'];
  }
  return ['unknown'];
}
