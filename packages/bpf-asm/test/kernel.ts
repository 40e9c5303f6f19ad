/**
 * The running kernel as an oracle for tests: bpf(2), as little of it as they need. This package stands below the one that has all of it.
 */
import { closeSync } from 'node:fs';
import koffi from 'koffi';

const BPF_MAP_CREATE = 0;
const BPF_PROG_LOAD = 5;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const LOG_SIZE = 1 << 20;
/** Numbers of bpf(2), by `process.arch`. */
const NUMBER: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };

type Syscall = (number: number, command: number, attr: Uint8Array, size: number) => number;
const libc = koffi.load(null);
const syscall = libc.func('syscall', 'long', ['long', 'int', 'void *', 'uint']) as Syscall;

/** Address of bytes that are kept alive and in place until the call that uses it is over. */
function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes) as bigint;
}

function bpf(command: number, attr: Uint8Array): number {
  const result = syscall(NUMBER[process.arch] ?? -1, command, attr, attr.byteLength);
  return result < 0 ? -koffi.errno() : result;
}

/** A map that a test made. */
export interface KernelMap {
  readonly fd: number;
  readonly id: number;
  close(): void;
}

/** Makes a map (`BPF_MAP_CREATE`). Throws when the kernel refuses. */
export function createMap(type: number, keySize: number, valueSize: number, maxEntries: number, flags = 0): KernelMap {
  const attr = new Uint8Array(128);
  const view = new DataView(attr.buffer);
  [type, keySize, valueSize, maxEntries, flags].forEach((value, index) => view.setUint32(4 * index, value, true));
  const fd = bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) throw new Error(`the kernel refuses a map of type ${type}: errno ${-fd}`);
  return { fd, id: new DataView(info(fd, 88).buffer).getUint32(4, true), close: () => closeSync(fd) };
}

/** A program that the kernel was given: taken, or refused with its log. */
export interface KernelProgram {
  /** Negative errno where it was refused. */
  readonly fd: number;
  readonly id: number;
  /** The verifier's log at level 2: every instruction it walked. */
  readonly log: string;
  /** The instructions as the kernel rewrote them, which `bpftool prog dump xlated` prints. */
  readonly xlated: Uint8Array;
  close(): void;
}

/** What a test says of a program besides its instructions. */
export interface LoadOptions {
  /** Number of `enum bpf_prog_type`; socket filter where nothing is said. */
  readonly type?: number;
  /** Number of `enum bpf_attach_type`, where the program type has several. */
  readonly attachType?: number;
  readonly licence?: string;
  /** The verifier's log: 2 tells every instruction. */
  readonly logLevel?: number;
}

/** Loads a program (`BPF_PROG_LOAD`). */
export function loadProgram(
  code: Uint8Array,
  { type = 1, attachType = 0, licence = 'GPL', logLevel = 2 }: LoadOptions = {},
): KernelProgram {
  const instructions = new Uint8Array(code);
  const words = new Uint8Array(Buffer.from(`${licence}\0`));
  const log = new Uint8Array(LOG_SIZE);
  const attr = new Uint8Array(128);
  const view = new DataView(attr.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, instructions.byteLength / 8, true);
  view.setBigUint64(8, addressOf(instructions), true);
  view.setBigUint64(16, addressOf(words), true);
  view.setUint32(24, logLevel, true);
  view.setUint32(28, logLevel === 0 ? 0 : log.byteLength, true);
  view.setBigUint64(32, logLevel === 0 ? 0n : addressOf(log), true);
  view.setUint32(68, attachType, true);
  const fd = bpf(BPF_PROG_LOAD, attr);
  const text = Buffer.from(log.subarray(0, log.indexOf(0))).toString('latin1');
  if (fd < 0) return { fd, id: 0, log: text, xlated: new Uint8Array(0), close: () => undefined };
  const found = new DataView(info(fd, 232).buffer);
  const xlated = new Uint8Array(found.getUint32(20, true));
  const again = new Uint8Array(232);
  const request = new DataView(again.buffer);
  request.setUint32(20, xlated.byteLength, true);
  request.setBigUint64(32, addressOf(xlated), true);
  info(fd, 232, again);
  return { fd, id: found.getUint32(4, true), log: text, xlated, close: () => closeSync(fd) };
}

/** What the kernel says of an object (`BPF_OBJ_GET_INFO_BY_FD`). */
function info(fd: number, size: number, into: Uint8Array = new Uint8Array(size)): Uint8Array {
  const attr = new Uint8Array(16);
  const view = new DataView(attr.buffer);
  view.setUint32(0, fd, true);
  view.setUint32(4, size, true);
  view.setBigUint64(8, addressOf(into), true);
  const result = bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
  if (result < 0) throw new Error(`the kernel tells nothing of fd ${fd}: errno ${-result}`);
  return into;
}
