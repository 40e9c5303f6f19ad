import { NetlinkTcError } from '../error.ts';

/** Handles of `linux/pkt_sched.h`: where a qdisc or filter hangs. */
export const TC_H = {
  ROOT: 0xffff_ffff,
  /** Parent of a `clsact` or `ingress` qdisc. */
  CLSACT: 0xffff_fff1,
  /** Parents of the filters of `clsact`; those of `ingress` take the first too. */
  INGRESS: 0xffff_fff2,
  EGRESS: 0xffff_fff3,
  /** What `clsact` and `ingress` are called themselves: `ffff:`. */
  CLSACT_HANDLE: 0xffff_0000,
} as const;

const NAMES: Readonly<Record<string, number>> = {
  root: TC_H.ROOT,
  clsact: TC_H.CLSACT,
  ingress: TC_H.INGRESS,
  egress: TC_H.EGRESS,
};

/** A handle: a number, `1:10` in hexadecimal as tc(8) writes it, or a name of {@link TC_H}. */
export type Handle = number | 'root' | 'clsact' | 'ingress' | 'egress' | `${string}:${string}`;

/**
 * The number of a handle.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT`
 */
export function handleNumber(handle: Handle): number {
  if (typeof handle === 'number' && Number.isInteger(handle) && handle >= 0 && handle <= 0xffff_ffff) return handle;
  if (typeof handle === 'string') {
    if (Object.hasOwn(NAMES, handle)) return NAMES[handle] ?? 0;
    const match = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/.exec(handle);
    if (match !== null) return ((parseInt(match[1] ?? '', 16) << 16) | parseInt(match[2] || '0', 16)) >>> 0;
  }
  throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(handle)} is no handle`, {
    hint: "write it like '1:10', or 'root', 'clsact', 'ingress', 'egress'",
  });
}

/** A handle as tc(8) writes it: `1:10`, `ffff:`, `root`. */
export function formatHandle(handle: number): string {
  if (handle === TC_H.ROOT) return 'root';
  const [major, minor] = [handle >>> 16, handle & 0xffff];
  return `${major.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}
