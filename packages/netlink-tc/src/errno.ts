import { constants } from 'node:os';

/** What Linux returns and Node's table leaves out (`include/uapi/asm-generic/errno.h`). */
// prettier-ignore
const MORE: readonly (readonly [string, number])[] = [
  ['EUNATCH', 49], ['ENONET', 64], ['ESOCKTNOSUPPORT', 94], ['ESHUTDOWN', 108], ['EHOSTDOWN', 112], ['EREMOTEIO', 121], ['ERFKILL', 132],
];

/** Of two names of a number the first counts: EAGAIN rather than EWOULDBLOCK. */
const NAMES: ReadonlyMap<number, string> = new Map(
  [...Object.entries(constants.errno), ...MORE].toReversed().map(([name, errno]) => [errno, name]),
);

/**
 * The name of an error number of the running kernel, as in errno(3).
 *
 * Numbers that C libraries leave without a name (524 is the kernel's own `ENOTSUPP`, which bpf(2) does return) are
 * printed as `errno 524`, so that a message never loses the number.
 * @param errno a positive error number; the sign that system calls return it with is accepted too
 * @example
 * ```ts
 * errnoName(2); // 'ENOENT'
 * ```
 */
export function errnoName(errno: number): string {
  return NAMES.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`;
}
