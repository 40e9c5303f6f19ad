import type { Machine } from './machine.ts';
import type { Region } from './region.ts';

/**
 * What a helper gives back in `r0`: a number is sign-extended to 64 bits, a bigint is taken modulo 2^64, and a region becomes
 * the address of its first byte.
 */
export type HelperResult = number | bigint | Region;

/**
 * A helper of the interpreter. Its arguments are in registers 1 to 5 of the machine, which also reads memory for it.
 *
 * @example
 * ```ts
 * const getSocketUid: HelperFunction = () => 1000;
 * new Vm(program, { helpers: { get_socket_uid: getSocketUid } });
 * ```
 */
export type HelperFunction = (machine: Machine) => HelperResult;

/** Helpers by the names of `enum bpf_func_id` without `BPF_FUNC_`; one that has no name goes by its number. */
export type HelperTable = Readonly<Record<string, HelperFunction>>;
