import { decode } from 'bpf-asm';
import { constants } from 'node:os';
import { openById, queryHook, readProgramCode, readProgramInfo, type Direction } from '../bpf/index.ts';
import { isNetlinkTcError } from '../error.ts';
import type { NetlinkSocket } from '../netlink/index.ts';
import type { Netns } from '../netns/index.ts';
import { getLink } from '../rtnl/index.ts';
import type { Sys } from '../sys/index.ts';
import { listFilters, type Filter } from './filter.ts';
import { tcHelperResult, translatedHelpers } from './helpers.ts';
import type { BpfFilterOptions, U32Options } from './options.ts';
import { returnsOf, type HelperResult, type Returns } from './returns.ts';
import { endsHook, filterVerdicts, tcxVerdicts, type Verdict } from './verdict.ts';

const { EINVAL, ENOENT, EOPNOTSUPP } = constants.errno;

/** A program as a hook's entry names it. */
export interface ChainProgram {
  readonly id: number;
  /** Name in the kernel; undefined where the program may not be read (`CAP_SYS_ADMIN`). */
  readonly name: string | undefined;
  readonly tag: string | undefined;
}

/** One thing that a packet meets on a hook. */
export interface ChainEntry {
  readonly layer: 'tcx' | 'clsact';
  readonly program: ChainProgram | undefined;
  /** Id of the tcx link; 0 where the program was attached without one. */
  readonly linkId: number | undefined;
  /** The filter of clsact. */
  readonly filter: Filter | undefined;
  /** Who owns it, as the caller of {@link chain} says. */
  readonly owner: string | undefined;
  /** What the program can return; undefined where it could not be read, or there is none. */
  readonly returns: Returns | undefined;
  /** What becomes of a packet that meets it. */
  readonly verdicts: readonly Verdict[];
  /** Whether a packet gets here: past all entries before, past some only with certain verdicts, or never. */
  readonly reached: 'always' | 'maybe' | 'never';
  /** Numbers of the entries before it, from 0, that can keep packets from it. */
  readonly shadowedBy: readonly number[];
}

/** Everything that a packet meets on a hook, in its order. */
export interface HookChain {
  readonly device: number;
  readonly direction: Direction;
  readonly entries: readonly ChainEntry[];
  /** Whether a packet is still there after the hook: neither dropped, nor taken, nor redirected. */
  readonly passes: 'always' | 'maybe' | 'never';
  /** Changes of the tcx hook so far; undefined where the kernel has no tcx. */
  readonly revision: bigint | undefined;
}

/** Options of {@link chain}. */
export interface ChainOptions {
  /** Index of the link. */
  readonly device: number;
  readonly direction: Direction;
  /** The namespace of the link and of the socket, where that is not the thread's. */
  readonly netns?: Netns;
  /** Who has read the programs of other chains: those that are on this hook, too, are not read and followed again. */
  readonly reader?: ProgramReader;
  /** Names the owner of an entry; undefined for those of others. */
  readonly owner?: (entry: Pick<ChainEntry, 'layer' | 'program' | 'linkId' | 'filter'>) => string | undefined;
}

type Unplaced = Omit<ChainEntry, 'reached' | 'shadowedBy'>;

/**
 * Reads what a packet meets on a hook: the programs of tcx, then the filters of clsact by priority (of one priority, the youngest
 * first), each with what it can return, found in its instructions, and so who can hide whom.
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such link, `ERR_PERMISSION` without `CAP_NET_ADMIN`
 * @example
 * ```ts
 * console.log(formatChain(await chain(sys, socket, { device: 4, direction: 'ingress' })));
 * ```
 */
export async function chain(sys: Sys, socket: NetlinkSocket, options: ChainOptions): Promise<HookChain> {
  const { device, direction, owner = () => undefined, reader = new ProgramReader(sys) } = options;
  const tcx = readTcx(sys, options);
  // tcx refuses a link that is not there; the list of its filters is empty.
  if (tcx === undefined) await socket.request(getLink(device));
  const entries: Unplaced[] = [];
  for (const { programId, linkId } of tcx?.entries ?? []) {
    const { program, returns } = reader.read(programId);
    const entry = { layer: 'tcx' as const, program, linkId, filter: undefined };
    entries.push({
      ...entry,
      owner: owner(entry),
      returns,
      verdicts: returns === undefined ? ['unknown'] : tcxVerdicts(returns),
    });
  }
  for (const filter of await readFilters(socket, device, direction)) {
    const id = filter.kind === 'bpf' ? (filter.options as BpfFilterOptions | undefined)?.id : undefined;
    const { program, returns } = id === undefined ? { program: undefined, returns: undefined } : reader.read(id);
    const entry = { layer: 'clsact' as const, program, linkId: undefined, filter };
    entries.push({ ...entry, owner: owner(entry), returns, verdicts: filterVerdicts(filter, returns) });
  }
  return { device, direction, revision: tcx?.revision, ...place(entries) };
}

function readTcx(sys: Sys, { device, direction, netns }: ChainOptions): ReturnType<typeof queryHook> | undefined {
  const query = (): ReturnType<typeof queryHook> => queryHook(sys, { target: device, attachType: `tcx_${direction}` });
  try {
    // bpf(2) understands the index in the namespace of the thread.
    return netns === undefined ? query() : netns.run(query);
  } catch (error) {
    if (isNetlinkTcError(error) && error.errno === EINVAL) return undefined;
    throw error;
  }
}

/** The filters of chain 0 that decide something; none where the link has no clsact. */
async function readFilters(socket: NetlinkSocket, device: number, direction: Direction): Promise<Filter[]> {
  try {
    const filters = await socket.request(listFilters({ device, parent: direction }));
    // An ingress qdisc answers for both of its parents, and has no egress.
    const here = filters.filter(({ chain: number }) => number === 0);
    return here.filter(
      ({ kind, options }) => kind !== 'u32' || (options as U32Options | undefined)?.selector !== undefined,
    );
  } catch (error) {
    if (isNetlinkTcError(error) && (error.errno === EINVAL || error.errno === ENOENT || error.errno === EOPNOTSUPP))
      return [];
    throw error;
  }
}

/**
 * Reads programs by their ids, each once, and finds what they can return. The kernel gives no id to two programs, so one reader may be given to
 * many calls of {@link chain}: pods share programs.
 */
export class ProgramReader {
  readonly #sys: Sys;
  readonly #helper: HelperResult;
  readonly #known = new Map<number, { program: ChainProgram; returns: Returns | undefined }>();

  constructor(sys: Sys) {
    let symbols: ReadonlyMap<number, number> | undefined;
    this.#sys = sys;
    this.#helper = tcHelperResult(() => (symbols ??= translatedHelpers()));
  }

  /** A program, and what it can return: undefined where it may not be read, or is gone. */
  read(id: number): { program: ChainProgram; returns: Returns | undefined } {
    const known = this.#known.get(id) ?? this.#open(id);
    this.#known.set(id, known);
    return known;
  }

  #open(id: number): { program: ChainProgram; returns: Returns | undefined } {
    const hidden = { program: { id, name: undefined, tag: undefined }, returns: undefined };
    try {
      using object = openById(this.#sys, 'program', id);
      if (object === undefined) return hidden;
      const { name, tag } = readProgramInfo(this.#sys, object.fd);
      const { translated } = readProgramCode(this.#sys, object.fd);
      const byteOrder = this.#sys.platform.littleEndian ? 'little' : 'big';
      const returns = translated.length === 0 ? undefined : returnsOf(decode(translated, { byteOrder }), this.#helper);
      return { program: { id, name, tag }, returns };
    } catch (error) {
      if (isNetlinkTcError(error, 'ERR_PERMISSION')) return hidden;
      throw error;
    }
  }
}

/** Follows a packet through the entries: which it always meets, which it may, and what keeps it away. */
function place(entries: readonly Unplaced[]): Pick<HookChain, 'entries' | 'passes'> {
  const placed: ChainEntry[] = [];
  // Where packets can be now: on their way to the next entry, out of tcx and waiting for clsact, through the hook, gone.
  const now = { onward: true, left: false, through: false, gone: false };
  const enders: number[] = [];
  const leavers: number[] = [];
  for (const [index, entry] of entries.entries()) {
    if (entry.layer === 'clsact' && now.left) {
      now.onward = true;
      now.left = false;
    }
    const elsewhere = now.left || now.through || now.gone;
    const reached = !now.onward ? 'never' : elsewhere ? 'maybe' : 'always';
    const shadowedBy = entry.layer === 'tcx' ? [...enders, ...leavers].toSorted((a, b) => a - b) : [...enders];
    placed.push({ ...entry, reached, shadowedBy });
    if (!now.onward) continue;
    const can = (verdict: Verdict): boolean => entry.verdicts.includes(verdict) || entry.verdicts.includes('unknown');
    now.onward = can('next');
    now.left ||= entry.layer === 'tcx' && can('leave');
    now.through ||= can('pass');
    now.gone ||= can('drop') || can('stolen') || can('redirect');
    if (entry.verdicts.some(endsHook)) enders.push(index);
    else if (entry.verdicts.includes('leave')) leavers.push(index);
  }
  const survives = now.onward || now.left || now.through;
  return { entries: placed, passes: !survives ? 'never' : now.gone ? 'maybe' : 'always' };
}
