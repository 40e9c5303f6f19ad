/** Error numbers that maps and helpers give back negated (`asm-generic/errno-base.h`, `asm-generic/errno.h`). */
export const ERRNO = {
  ENOENT: 2,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
  EPROTOTYPE: 91,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
} as const;

/** Name of a negated error number: `errnoName(-7)` is `E2BIG`. */
export function errnoName(result: number): string {
  for (const [name, number] of Object.entries(ERRNO)) if (number === -result) return name;
  return `errno ${-result}`;
}
