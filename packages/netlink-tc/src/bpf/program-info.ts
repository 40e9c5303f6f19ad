import { PROGRAM_TYPE, type ProgramType } from 'bpf-asm';
import type { Sys } from '../sys/index.ts';
import { fillInfo, InfoBuffer, nameOf } from './object-info.ts';

/** Offsets of `struct bpf_prog_info` (Linux' include/uapi/linux/bpf.h). */
const INFO = {
  type: 0,
  id: 4,
  tag: 8,
  jited_prog_len: 16,
  xlated_prog_len: 20,
  jited_prog_insns: 24,
  xlated_prog_insns: 32,
  load_time: 40,
  created_by_uid: 48,
  nr_map_ids: 52,
  map_ids: 56,
  name: 64,
  gpl_compatible: 84,
  btf_id: 128,
  nr_line_info: 148,
  line_info: 152,
  line_info_rec_size: 172,
  run_time_ns: 192,
  run_cnt: 200,
  recursion_misses: 208,
  verified_insns: 216,
} as const;
const INFO_SIZE = 232;
const LINE_INFO_SIZE = 16;

/** What the kernel tells of a program. Fields that an older kernel does not know are undefined. */
export interface ProgramInfo {
  readonly id: number;
  /** Name of the type, or its number where it is newer than this package. */
  readonly type: ProgramType | number;
  /** Name in the kernel, 15 characters at most. */
  readonly name: string;
  /** Hash over the instructions, 16 hexadecimal digits, as `hasTag` of `bpf-asm` checks it. */
  readonly tag: string;
  /** When it was loaded, nanoseconds since boot. */
  readonly loadTime: bigint;
  readonly uid: number;
  readonly isGplCompatible: boolean;
  /** Ids of the maps that it uses. */
  readonly mapIds: readonly number[];
  /** Id of its BTF; 0 where it has none. */
  readonly btfId: number;
  /** Bytes of the machine code; 0 where it is interpreted. */
  readonly jitedSize: number;
  /** Bytes of the instructions as the verifier rewrote them. */
  readonly translatedSize: number;
  /** Nanoseconds that it ran, while statistics were on (`enableStatistics`). */
  readonly runTime: bigint | undefined;
  /** How often it ran, while statistics were on. */
  readonly runCount: bigint | undefined;
  readonly recursionMisses: bigint | undefined;
  /** Instructions that the verifier walked over (5.16). */
  readonly verifiedInstructions: number | undefined;
}

/** Reads what the kernel tells of a program (4.13). */
export function readProgramInfo(sys: Sys, fd: number): ProgramInfo {
  const what = `program fd ${fd}`;
  const first = fillInfo(sys, fd, new InfoBuffer(sys, INFO_SIZE), what);
  const maps = new Uint32Array(first.getU32(INFO.nr_map_ids));
  const info = new InfoBuffer(sys, INFO_SIZE)
    .u32(INFO.nr_map_ids, maps.length)
    .pointer(INFO.map_ids, new Uint8Array(maps.buffer));
  fillInfo(sys, fd, info, what);
  return {
    id: info.getU32(INFO.id),
    type: nameOf(PROGRAM_TYPE, info.getU32(INFO.type)),
    name: info.text(INFO.name, 16),
    tag: Buffer.from(info.bytes.subarray(INFO.tag, INFO.tag + 8)).toString('hex'),
    loadTime: info.getU64(INFO.load_time),
    uid: info.getU32(INFO.created_by_uid),
    isGplCompatible:
      ((info.bytes[INFO.gpl_compatible + (sys.platform.littleEndian ? 0 : 3)] ?? 0) &
        (sys.platform.littleEndian ? 1 : 0x80)) !==
      0,
    mapIds: [...maps],
    btfId: info.getU32(INFO.btf_id),
    jitedSize: info.getU32(INFO.jited_prog_len),
    translatedSize: info.getU32(INFO.xlated_prog_len),
    runTime: info.knownU64(INFO.run_time_ns),
    runCount: info.knownU64(INFO.run_cnt),
    recursionMisses: info.knownU64(INFO.recursion_misses),
    verifiedInstructions: info.knownU32(INFO.verified_insns),
  };
}

/** The code of a program as the kernel has it. Empty parts were not given away (without CAP_PERFMON or CAP_SYS_ADMIN). */
export interface ProgramCode {
  /** Instructions as the verifier rewrote them; `decode` of `bpf-asm` reads them. */
  readonly translated: Uint8Array;
  /** Machine code. */
  readonly jited: Uint8Array;
  /** `struct bpf_line_info`, 16 bytes a record, the offsets those of `translated`. */
  readonly lineInfo: Uint8Array;
}

/** Reads the code of a program back (4.13; line information 5.0). */
export function readProgramCode(sys: Sys, fd: number): ProgramCode {
  const what = `program fd ${fd}`;
  const first = fillInfo(sys, fd, new InfoBuffer(sys, INFO_SIZE), what);
  const translated = new Uint8Array(first.getU32(INFO.xlated_prog_len));
  const jited = new Uint8Array(first.getU32(INFO.jited_prog_len));
  const lineInfo = new Uint8Array(first.getU32(INFO.nr_line_info) * LINE_INFO_SIZE);
  const info = new InfoBuffer(sys, INFO_SIZE)
    .u32(INFO.xlated_prog_len, translated.length)
    .pointer(INFO.xlated_prog_insns, translated)
    .u32(INFO.jited_prog_len, jited.length)
    .pointer(INFO.jited_prog_insns, jited)
    .u32(INFO.nr_line_info, lineInfo.length / LINE_INFO_SIZE)
    .u32(INFO.line_info_rec_size, LINE_INFO_SIZE)
    .pointer(INFO.line_info, lineInfo);
  fillInfo(sys, fd, info, what);
  // The kernel zeroes a pointer that it did not fill, for those who may not see the code.
  return {
    translated: info.getU64(INFO.xlated_prog_insns) === 0n ? new Uint8Array(0) : translated,
    jited: info.getU64(INFO.jited_prog_insns) === 0n ? new Uint8Array(0) : jited,
    lineInfo: info.getU64(INFO.line_info) === 0n ? new Uint8Array(0) : lineInfo,
  };
}
