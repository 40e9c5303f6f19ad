import { getSystemErrorName } from 'node:util';

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
  const number = Math.abs(errno);
  if (!Number.isInteger(number) || number === 0) return `errno ${errno}`;
  const name = getSystemErrorName(-number);
  return name.startsWith('Unknown system error') ? `errno ${number}` : name;
}
