import type { IrEffects, IrValue, MemoryClass } from '../compile/index.ts';
import { helperByName, type Helper } from '../helpers/index.ts';
import type { Scope } from './scope.ts';

/** Licences that the kernel takes as compatible with the GPL (`license_is_gpl_compatible` in `include/linux/license.h`). */
export const GPL_COMPATIBLE = [
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
] as const;

/** A licence that opens the GPL-only helpers. */
export type GplCompatible = (typeof GPL_COMPATIBLE)[number];

const INSTEAD: Readonly<Record<string, string>> = {
  perf_event_output: 'write to a ring buffer: reserve(ring, Record)',
  trace_printk: 'write to a ring buffer, or count: reserve(ring, Record), count(map, index)',
  trace_vprintk: 'write to a ring buffer, or count: reserve(ring, Record), count(map, index)',
  fib_lookup: 'let the kernel find the way: redirectNeigh(ifindex)',
  redirect_peer: 'it works at a tc hook only',
};

/**
 * The helper of a name, if this program may call it.
 *
 * @throws BpfAsmError `ERR_HELPER` when its program type does not have it, `ERR_LICENCE` when its licence does not open it; with what to use instead.
 */
export function permitted(scope: Scope, name: string): Helper {
  const helper = helperByName(name);
  const { type, licence } = scope.unit.facts;
  if (helper === undefined) throw scope.error(`there is no helper ${name}`, undefined, 'ERR_HELPER');
  if (!helper.programs.includes(type)) {
    const hint = INSTEAD[name] ?? `programs that have it: ${helper.programs.slice(0, 8).join(', ')}`;
    throw scope.error(`programs of type ${type} do not have the helper ${name}`, hint, 'ERR_HELPER');
  }
  if (helper.gplOnly && !(GPL_COMPATIBLE as readonly string[]).includes(licence)) {
    const hint = INSTEAD[name] ?? "declare a licence such as 'GPL', or do without it";
    throw scope.error(
      `the helper ${name} is for GPL-compatible programs, and this one is ${licence}`,
      hint,
      'ERR_LICENCE',
    );
  }
  return helper;
}

/**
 * Calls a helper. Pointers into the packet are void afterwards if it may move the packet.
 *
 * @param writes - memory that it writes besides what the table says.
 */
export function callHelper(scope: Scope, name: string, args: readonly IrValue[], effects: IrEffects): IrValue {
  const helper = permitted(scope, name);
  const writes = new Set<MemoryClass>(effects.writes);
  if (helper.changesPacket) for (const each of ['packet', 'context'] as const) writes.add(each);
  const callee = { kind: 'helper', id: helper.id } as const;
  const result = scope.at().call(callee, args, { writes: [...writes], removable: effects.removable });
  scope.releaseTemporaries();
  if (helper.changesPacket) scope.invalidate(name);
  return result;
}

/** A call that only looks. */
export const LOOKS: IrEffects = { writes: [], removable: true };

/** A call that does something outside the program's memory. */
export const ACTS: IrEffects = { writes: [], removable: false };

/** A call that may change the values of maps. */
export const CHANGES_MAPS: IrEffects = { writes: ['map'], removable: false };
