import { openById, readProgramInfo, type Direction } from 'netlink-tc';
import type { EngineContext } from './context.ts';
import type { HookRecord, Hooks, HookState } from './hook.ts';

/** One of our programs on an interface. */
export interface HookStatus {
  readonly direction: Direction;
  /** How it is attached; undefined where it is not. */
  readonly attached: 'tcx' | 'clsact' | undefined;
  readonly status: HookState['status'] | 'missing';
  /** The program that runs there, as `bpftool prog` tells of it. */
  readonly program: { readonly id: number; readonly name: string; readonly tag: string } | undefined;
}

/** Looks what runs at a place of ours. */
export async function hookStatus(
  { sys, hooks }: Pick<EngineContext, 'sys'> & { readonly hooks: Hooks },
  direction: Direction,
  record: HookRecord | undefined,
): Promise<HookStatus> {
  if (record === undefined) return { direction, attached: undefined, status: 'missing', program: undefined };
  const { status, programId } = await hooks.state(record);
  using object = programId === undefined ? undefined : openById(sys, 'program', programId);
  const info = object && readProgramInfo(sys, object.fd);
  return {
    direction,
    attached: record.where.mode,
    status,
    program: info && { id: info.id, name: info.name, tag: info.tag },
  };
}
