import {
  chain,
  ETH_P,
  formatChain,
  getQdisc,
  isNetlinkTcError,
  ProgramReader,
  queryHook,
  tcxVerdicts,
  type ChainEntry,
  type Direction,
  type HookChain,
} from 'netlink-tc';
import { constants } from 'node:os';
import { OWNER } from '../engine/pod-record.ts';
import { hides, placeToBe } from '../engine/shadow.ts';
import { CHAIN_CODES, type ChainCode } from './chain-codes.ts';
import { area, type Area, type Finding } from './finding.ts';
import { ourPrograms, type Interface, type NetworkScene } from './scene.ts';

/** What packets meet on the hooks of interfaces. */
export const CHAINS: Area<ChainCode> = area('chains', CHAIN_CODES);

/** One hook where a program of ours is, or would be. */
interface Hook {
  readonly subject: string;
  readonly direction: Direction;
  readonly chain: HookChain;
  /** How our program is attached, or would be. */
  readonly mode: 'tcx' | 'clsact';
  /** Our program, where it is; else how many entries would be before it. */
  readonly at: number;
  readonly isThere: boolean;
}

/** Looks at the hooks of all interfaces of interest. */
export async function checkChains(scene: NetworkScene): Promise<Finding[]> {
  const found: Finding[] = [];
  const empty: string[] = [];
  const reader = new ProgramReader(scene.sys);
  for (const each of scene.interfaces) {
    try {
      const findings = await checkInterface(scene, reader, each);
      if (findings.length === 0) empty.push(each.name);
      found.push(...findings);
    } catch (error) {
      // It went away meanwhile.
      if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
    }
  }
  if (empty.length > 0) found.unshift(CHAINS.finding('chain-empty', `${empty.length} interfaces`, [empty.join(', ')]));
  if (scene.interfaces.length === 0) found.push(CHAINS.finding('chain-no-interface', 'the host', []));
  return found;
}

async function checkInterface(scene: NetworkScene, reader: ProgramReader, of: Interface): Promise<Finding[]> {
  const directions = of.role === 'proxy' ? (['ingress'] as const) : (['ingress', 'egress'] as const);
  const hooks: Hook[] = [];
  for (const direction of directions) hooks.push(await readHook(scene, reader, { of, direction }));
  const lines = hooks
    .filter(({ chain: { entries } }) => entries.length > 0)
    .map(({ chain: each }) => formatChain(each));
  const qdisc = of.role === 'proxy' ? [] : await checkQdisc(scene, of);
  const details = [
    ...hooks.flatMap((hook) => [...checkHook(scene, hook), ...checkPair(scene, reader, of, hook)]),
    ...qdisc,
  ];
  if (lines.length === 0) return details;
  const oursAlone = hooks.every(({ chain: { entries }, isThere }) => entries.length === (isThere ? 1 : 0));
  const whole = CHAINS.finding(oursAlone ? 'chain-ours' : 'chain-shared', of.name, lines.join('\n').split('\n'));
  return [whole, ...details];
}

async function readHook(
  scene: NetworkScene,
  reader: ProgramReader,
  { of, direction }: { readonly of: Interface; readonly direction: Direction },
): Promise<Hook> {
  const { index, name, role } = of;
  const { sys, host, settings } = scene;
  const ours = ourPrograms(scene, index, direction);
  const owner = role === 'proxy' ? 'ztunnel_host_in' : OWNER[direction];
  const read = await chain(sys, host.socket, {
    device: index,
    direction,
    netns: host.netns,
    reader,
    owner: ({ program }) => (program !== undefined && ours.has(program.id) ? 'ambient-redirect' : undefined),
  });
  const at = read.entries.findIndex((entry) => entry.owner !== undefined);
  const mode =
    read.entries[at]?.layer ?? (settings.attach === 'clsact' || read.revision === undefined ? 'clsact' : 'tcx');
  return {
    subject: `${name} ${direction} (${owner})`,
    direction,
    chain: read,
    mode,
    at: at >= 0 ? at : placeToBe({ settings }, mode, read.entries),
    isThere: at >= 0,
  };
}

function checkHook(scene: NetworkScene, hook: Hook): Finding[] {
  const {
    chain: { entries },
    mode,
    at,
    isThere,
    subject,
  } = hook;
  const before = entries.slice(0, at);
  const behind = entries.slice(isThere ? at + 1 : at);
  const found: Finding[] = [];
  const ends = before.filter((entry) => hides(entry, mode));
  const isNever = before.some((entry) => endsForAll(entry, mode));
  if (ends.length > 0 || isNever) {
    const culprits = isNever ? before.filter((entry) => endsForAll(entry, mode)) : ends;
    found.push(CHAINS.finding(isNever ? 'chain-unreached' : 'chain-hidden', subject, culprits.map(tell)));
  }
  if (behind.length > 0) found.push(CHAINS.finding('chain-hides', subject, behind.map(tell)));
  return [...found, ...(mode === 'clsact' ? checkPriority(scene, hook) : [])];
}

/** The programs of a netkit pair itself: those of the pod's end come before all of ingress, those of the host's end behind all of egress. */
function checkPair(scene: NetworkScene, reader: ProgramReader, of: Interface, { direction, subject }: Hook): Finding[] {
  const found = pairPrograms(scene, reader, of, direction === 'ingress' ? 'netkit_peer' : 'netkit_primary');
  if (direction === 'egress')
    return found.length === 0
      ? []
      : [
          CHAINS.finding(
            'chain-hides',
            subject,
            found.map(({ told }) => told),
          ),
        ];
  const culprits = found.filter(({ verdicts }) => verdicts.some((each) => each === 'redirect' || each === 'unknown'));
  return culprits.length === 0
    ? []
    : [
        CHAINS.finding(
          'chain-netkit',
          subject,
          culprits.map(({ told }) => told),
        ),
      ];
}

function pairPrograms(
  { sys, host }: NetworkScene,
  reader: ProgramReader,
  { index: target, kind }: Interface,
  attachType: 'netkit_peer' | 'netkit_primary',
): { readonly verdicts: ChainEntry['verdicts']; readonly told: string }[] {
  if (kind !== 'netkit') return [];
  try {
    const { entries } = host.netns.run(() => queryHook(sys, { target, attachType }));
    return entries.map(({ programId }) => {
      const { program, returns } = reader.read(programId);
      const verdicts = returns === undefined ? (['unknown'] as const) : tcxVerdicts(returns);
      return {
        verdicts,
        told: `${attachType} program ${program.name ?? '?'} (id ${program.id}): ${verdicts.join(', ')}`,
      };
    });
  } catch (error) {
    // The host has the end that does not tell (`netkit_dev_fetch` of Linux' drivers/net/netkit.c).
    if (isNetlinkTcError(error) && error.errno === constants.errno.EACCES) return [];
    throw error;
  }
}

/** Whether no packet at all gets past an entry to ours. */
function endsForAll({ verdicts, layer, reached }: ChainEntry, mode: 'tcx' | 'clsact'): boolean {
  // What no packet gets to ends nothing: who leaves tcx before it comes to clsact all the same.
  if (reached === 'never') return false;
  return !verdicts.some(
    (verdict) => verdict === 'next' || verdict === 'unknown' || (verdict === 'leave' && layer !== mode),
  );
}

/** Filters of others at our priority: of one priority only filters of one kind and protocol can be, and the youngest is asked first. */
function checkPriority({ settings }: NetworkScene, { chain: { entries }, at, isThere, subject }: Hook): Finding[] {
  const others = entries.filter(
    ({ filter }, index) => filter?.priority === settings.priority && !(isThere && index === at),
  );
  return others.map((entry) => {
    const fits = entry.filter?.kind === 'bpf' && entry.filter.protocol === ETH_P.ALL;
    return CHAINS.finding(fits ? 'chain-priority-shared' : 'chain-priority-taken', subject, [
      tell(entry),
      `our priority: ${settings.priority}`,
    ]);
  });
}

/** An `ingress` qdisc stands in the place of clsact, and has no side for what goes to the pod. */
async function checkQdisc({ host, settings, probes }: NetworkScene, { index, name }: Interface): Promise<Finding[]> {
  const kind = await qdiscKind(host, index);
  if (kind === undefined || kind === 'clsact') return [];
  const byTcx = settings.attach !== 'clsact' && probes.link('tcx').answer === 'yes';
  const why = settings.attach === 'clsact' ? 'the option attach is clsact' : 'this kernel has no tcx';
  return [
    CHAINS.finding(byTcx ? 'chain-ingress-qdisc' : 'chain-no-egress', name, [
      `qdisc ${kind} ffff: dev ${name}`,
      ...(byTcx ? [] : [why]),
    ]),
  ];
}

async function qdiscKind({ socket }: NetworkScene['host'], device: number): Promise<string | undefined> {
  try {
    return (await socket.request(getQdisc(device, 'clsact'))).kind;
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** An entry in one line: what it is, and what becomes of packets there. */
function tell({ layer, program, filter, verdicts }: ChainEntry): string {
  const its = program === undefined ? '' : ` program ${program.name ?? '?'} (id ${program.id})`;
  const place = filter === undefined ? '' : ` ${filter.kind} filter at priority ${filter.priority}`;
  return `${layer}${place}${its}: ${verdicts.join(', ')}`;
}
