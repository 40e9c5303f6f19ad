/** A kernel function that programs call by number. */
export interface Helper {
  /** Its number in `enum bpf_func_id` (`include/uapi/linux/bpf.h`). */
  readonly id: number;
  /** Its name without the prefix `bpf_`. */
  readonly name: string;
}
