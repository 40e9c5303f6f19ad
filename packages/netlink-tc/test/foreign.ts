import { queryHook, type HookEntry } from '../src/bpf/index.ts';
import type { Sys } from '../src/sys/index.ts';
import { lacksTcx } from './kernel.ts';
import type { TestNetns } from './netns.ts';

/** One program on a hook of tc, as `bpftool net` tells it. */
export interface HookLine {
  readonly device: string;
  /** Layer and direction: `clsact/ingress`. */
  readonly kind: string;
  /** Of a filter its own name, of a program on tcx the program's. */
  readonly name: string;
  readonly programId: number;
}

/**
 * The programs of tc in a namespace, as `bpftool net` tells them, sorted. It knows tcx since 7.3: before, only the filters are here.
 */
export function bpftoolNet(all: TestNetns): readonly HookLine[] {
  const told = all.json('bpftool', '-j', 'net')[0]?.['tc'] as Record<string, string | number>[] | undefined;
  const lines = (told ?? []).map((each) => ({
    device: String(each['devname']),
    kind: String(each['kind']),
    name: String(each['name']),
    programId: Number(each['prog_id'] ?? each['id']),
  }));
  return sorted(lines);
}

/** Whether the `bpftool net` of this machine tells of tcx. */
export function bpftoolKnowsTcx(all: TestNetns): boolean {
  const { version } = JSON.parse(all.run('bpftool', '-j', 'version')) as { version: string };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 7 || (major === 7 && minor >= 3);
}

/** In an order that does not depend on who told. */
export function sorted<T>(list: readonly T[]): T[] {
  return list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** All that others have on `v0`, link 2: what tc, bpftool and the hooks of tcx tell. */
export interface Foreign {
  readonly qdiscs: string;
  readonly filters: readonly string[];
  readonly net: readonly HookLine[];
  /** Programs on tcx: ingress, then egress; undefined where the kernel has none. */
  readonly tcx: readonly (readonly HookEntry[])[] | undefined;
}

/**
 * Takes stock of `v0`.
 * @param ours names of filters and ids of programs to leave out
 */
export function foreign(sys: Sys, all: TestNetns, ours: readonly (string | number)[] = []): Foreign {
  const lines = (['ingress', 'egress'] as const).flatMap((side) =>
    all.run('tc', 'filter', 'show', 'dev', 'v0', side).split('\n'),
  );
  const tcx = (): HookEntry[][] =>
    (['tcx_ingress', 'tcx_egress'] as const).map((attachType) =>
      queryHook(sys, { target: 2, attachType }).entries.filter(({ programId }) => !ours.includes(programId)),
    );
  return {
    qdiscs: all.run('tc', 'qdisc', 'show', 'dev', 'v0'),
    filters: lines.filter(
      (line) =>
        /^filter.*handle|action/.test(line) &&
        !ours.some((each) => line.includes(typeof each === 'number' ? ` id ${each} ` : ` ${each} `)),
    ),
    net: bpftoolNet(all).filter(({ name, programId }) => !ours.includes(name) && !ours.includes(programId)),
    tcx: lacksTcx(sys) ? undefined : all.netns.run(tcx),
  };
}
