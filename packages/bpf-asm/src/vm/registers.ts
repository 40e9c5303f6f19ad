import type { BpfAsmError, BpfAsmErrorContext } from '../error.ts';
import type { HelperResult } from './helper.ts';
import { Memory } from './memory.ts';
import type { Region, RegisterWriter } from './region.ts';

/** Registers before any code brings constants: `r0` to `r11`. */
export const OWN_REGISTERS = 12;

/** Stands where an address has no region. */
export const NOWHERE: Region = new Memory([]).regions[0] as Region;

/** Registers as pairs of 32-bit words, and the memory that addresses in them reach: what a helper reads its arguments from. */
export abstract class Registers implements RegisterWriter {
  readonly memory: Memory;
  /** Low and high words: registers 0 to 11, then the constants of the code that runs. */
  protected lo: Int32Array = new Int32Array(OWN_REGISTERS);
  protected hi: Int32Array = new Int32Array(OWN_REGISTERS);

  constructor(memory: Memory) {
    this.memory = memory;
  }

  /** Makes the error that says why the instruction that runs cannot. */
  abstract trap(what: string, hint?: string, access?: Pick<BpfAsmErrorContext, 'address' | 'size'>): BpfAsmError;

  /** Low word of a register, signed. */
  s32(register: number): number {
    return this.lo[register] as number;
  }

  /** Low word of a register, unsigned. */
  u32(register: number): number {
    return (this.lo[register] as number) >>> 0;
  }

  /** High word of a register, signed. */
  high(register: number): number {
    return this.hi[register] as number;
  }

  /** A register, unsigned. */
  u64(register: number): bigint {
    return (BigInt(this.high(register) >>> 0) << 32n) | BigInt(this.u32(register));
  }

  /** Whether a register is 0: the null pointer. */
  isNull(register: number): boolean {
    return (this.s32(register) | this.high(register)) === 0;
  }

  setWords(register: number, low: number, high: number): void {
    this.lo[register] = low;
    this.hi[register] = high;
  }

  setAddress(register: number, region: Region, offset: number): void {
    this.lo[register] = offset;
    this.hi[register] = this.memory.idOf(region);
  }

  /** Sets a register to what a helper gives back. */
  setResult(register: number, result: HelperResult): void {
    if (typeof result === 'number') this.setWords(register, result, Math.floor(result / 0x1_0000_0000));
    else if (typeof result === 'bigint') {
      this.setWords(register, Number(BigInt.asIntN(32, result)), Number(BigInt.asIntN(32, result >> 32n)));
    } else this.setAddress(register, result, result.start);
  }

  /** The region that a register points into; nothing where it is no address. */
  regionAt(register: number): Region | undefined {
    const id = this.high(register);
    return id > 0 ? this.memory.regions[id] : undefined;
  }

  /**
   * The region of which the `size` bytes at the address in a register may be read; their offset is the register's low word.
   *
   * @throws BpfAsmError `ERR_TRAP` when they may not.
   */
  readable(register: number, size: number): Region {
    const region = this.regionAt(register) ?? NOWHERE;
    const at = this.u32(register);
    if (at < region.start || at + size > region.end) throw this.outside('read', register, 0, size);
    return region;
  }

  /** As {@link Machine.readable}, for writing. */
  writable(register: number, size: number): Region {
    const region = this.regionAt(register) ?? NOWHERE;
    const at = this.u32(register);
    if (at < region.start || at + size > region.writeEnd) throw this.outside('write', register, 0, size);
    return region;
  }

  /** The `size` bytes at the address in a register, as a view that can be written to where `access` says so. */
  bytes(register: number, size: number, access: 'read' | 'write' = 'read'): Uint8Array {
    const region = access === 'read' ? this.readable(register, size) : this.writable(register, size);
    return region.bytes.subarray(this.u32(register), this.u32(register) + size);
  }

  /** The trap for an access of `size` bytes at `register + offset` that is not allowed. */
  protected outside(verb: 'read' | 'write', register: number, offset: number, size: number): BpfAsmError {
    const address = BigInt.asUintN(64, this.u64(register) + BigInt(offset));
    const bytes = `${verb}s ${size} byte${size === 1 ? '' : 's'} at 0x${address.toString(16).padStart(16, '0')}`;
    const trap = (what: string, hint?: string): BpfAsmError => this.trap(what, hint, { address, size });
    // A pointer that was moved before the beginning of its region has borrowed one from the region's number.
    const region = this.memory.regions[this.high(register) + (this.s32(register) < 0 ? 1 : 0)];
    const at = this.s32(register) + offset;
    if (region === undefined || region.id === 0) return trap(`${bytes}, which is no address`, 'null, or a number');
    if (region.fields !== undefined) {
      return trap(`${bytes}: ${region.name} has no such field to ${verb} at byte ${at}`);
    }
    if (verb === 'write' && at >= region.start && at + size <= region.end) {
      return trap(`${bytes}: ${region.name} is read-only`);
    }
    const length = region.end - region.start;
    return trap(`${bytes}: byte ${at - region.start} of ${region.name}, which has ${length}`);
  }
}
