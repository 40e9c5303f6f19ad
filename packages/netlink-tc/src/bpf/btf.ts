import { NetlinkTcError } from '../error.ts';
import { textOf, type Fd, type Sys } from '../sys/index.ts';
import { BTF_LOAD, BTF_LOAD_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';
import { fillInfo, InfoBuffer } from './object-info.ts';
import { withMemlock } from './memlock.ts';

/** `struct bpf_btf_info`: btf u64 0, btf_size 8, id 12, name u64 16, name_len 24, kernel_btf 28. */
const BTF_INFO_SIZE = 32;

/**
 * Loads type information into the kernel (4.18), for maps and programs that refer to it.
 * @param bytes BTF as `bpf-asm` writes it
 * @throws NetlinkTcError `ERR_VERIFIER` with the kernel's words when it refuses the types
 */
export function loadBtf(sys: Sys, bytes: Uint8Array): Fd {
  if (bytes.length === 0) throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'there are no bytes of BTF');
  const attr = new Attr(sys, BTF_LOAD_SIZE).pointer(BTF_LOAD.btf, bytes).u32(BTF_LOAD.btf_size, bytes.length);
  const load = (): number => withMemlock(sys, () => sys.bpf(BPF_COMMAND.BPF_BTF_LOAD, attr.bytes));
  let result = load();
  if (result >= 0) return sys.fds.own(result, 'BTF');
  const log = new Uint8Array(1 << 20);
  attr.pointer(BTF_LOAD.btf_log_buf, log).u32(BTF_LOAD.btf_log_size, log.length).u32(BTF_LOAD.btf_log_level, 1);
  result = load();
  if (result >= 0) return sys.fds.own(result, 'BTF');
  const kernelMessage = textOf(log).trim();
  if (kernelMessage === '') throw bpfError(sys, result, 'BPF_BTF_LOAD', 'cannot load BTF');
  throw bpfError(sys, result, 'BPF_BTF_LOAD', 'cannot load BTF', { code: 'ERR_VERIFIER', kernelMessage });
}

/** What the kernel tells of a BTF object. */
export interface BtfInfo {
  readonly id: number;
  /** `vmlinux` or a module's name for types of the kernel; empty for others. */
  readonly name: string;
  readonly isKernel: boolean;
  /** The types themselves, as `readBtf` of `bpf-asm` takes them. */
  readonly bytes: Uint8Array;
}

/** Reads a BTF object back (4.18; name and kernel mark 5.11). */
export function readBtfInfo(sys: Sys, fd: number): BtfInfo {
  const first = fillInfo(sys, fd, new InfoBuffer(sys, BTF_INFO_SIZE), `BTF fd ${fd}`);
  const bytes = new Uint8Array(first.getU32(8));
  const name = new Uint8Array(64);
  const info = new InfoBuffer(sys, BTF_INFO_SIZE)
    .pointer(0, bytes)
    .u32(8, bytes.length)
    .pointer(16, name)
    .u32(24, name.length);
  fillInfo(sys, fd, info, `BTF fd ${fd}`);
  return { id: info.getU32(12), name: textOf(name), isKernel: info.knownU32(28) === 1, bytes };
}
