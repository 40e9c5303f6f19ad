import { BpfAsmError, type BpfAsmErrorCode, type BpfAsmErrorContext } from '../error.ts';
import type { Instruction } from '../isa/index.ts';
import { load, store } from './access.ts';
import { alu32 } from './alu32.ts';
import { alu64 } from './alu64.ts';
import { atomic32, atomic64 } from './atomic.ts';
import { Code, type SymbolicAddress } from './code.ts';
import { condition32, condition64 } from './condition.ts';
import { describeInstruction } from './describe.ts';
import { extend } from './extend.ts';
import { Frame, MAX_FRAMES, STACK_SIZE } from './frame.ts';
import type { HelperFunction } from './helper.ts';
import { Memory } from './memory.ts';
import type { Region } from './region.ts';
import { NOWHERE, OWN_REGISTERS, Registers } from './registers.ts';
import type { Run } from './run.ts';

/**
 * Called before each step with the index of the instruction about to run; the machine's registers can be read meanwhile.
 */
export type TraceCallback = (index: number, machine: Machine, instruction: Instruction) => void;

/** Tail calls that one run may chain (`MAX_TAIL_CALL_CNT`). */
const MAX_TAIL_CALLS = 33;

/**
 * The machine that programs run on: registers as pairs of 32-bit words, memory, frames. Helpers are given it to read their
 * arguments, and memory, from.
 */
export class Machine extends Registers {
  readonly #frames: readonly Frame[];
  readonly #trace: TraceCallback | undefined;
  readonly #stepLimit: number;
  #code: Code | undefined = undefined;
  #pc = 0;
  #depth = 0;
  /** Steps until the next look at the limit, or the trace. */
  #countdown = 0;
  #granted = 0;
  #tailCalls = 0;
  #tailTarget: Code | undefined = undefined;
  #run: Run | undefined = undefined;

  constructor(options: { readonly stepLimit: number; readonly trace: TraceCallback | undefined }) {
    const frames = Array.from({ length: MAX_FRAMES }, (_, depth) => new Frame(depth));
    super(new Memory(frames.map((frame) => frame.stack)));
    this.#frames = frames;
    this.#stepLimit = options.stepLimit;
    this.#trace = options.trace;
  }

  /** What this run was given and what it has done: packet, context, clock, effects. */
  get run(): Run {
    return this.#run as Run;
  }

  /** Instructions that have run since {@link Machine.start}. */
  get steps(): number {
    return this.#granted - Math.max(this.#countdown, 0);
  }

  /**
   * Runs code from its first instruction to the end, with registers 1 and 2 as the caller set them after {@link Machine.reset}.
   *
   * @throws BpfAsmError `ERR_TRAP`, `ERR_STEP_LIMIT`.
   */
  start(code: Code, run: Run): void {
    this.#run = run;
    this.#enter(code);
    (this.#frames[0] as Frame).begin();
    this.setAddress(10, (this.#frames[0] as Frame).stack, STACK_SIZE);
    this.#execute(0);
    if (run.held.length > 0) throw this.trap(`it ends and holds ${(run.held[0] as Region).name}`);
  }

  /** Makes registers and memory ready for a run. */
  reset(): void {
    this.lo.fill(0, 0, OWN_REGISTERS);
    this.hi.fill(0, 0, OWN_REGISTERS);
    this.memory.reset();
    this.#depth = 0;
    this.#tailCalls = 0;
    this.#tailTarget = undefined;
    this.#granted = this.#trace === undefined ? this.#stepLimit : 0;
    this.#countdown = this.#granted;
  }

  /**
   * Has the machine go on in other code once the helper has returned.
   *
   * @returns false when too many tail calls were made already.
   */
  tailCall(code: Code): boolean {
    if (this.#tailCalls >= MAX_TAIL_CALLS) return false;
    this.#tailCalls++;
    this.#tailTarget = code;
    return true;
  }

  /**
   * Calls a function of the program from a helper, as a callback. Its arguments are registers 1 to 5, its result register 0.
   *
   * @param callback - the address of the function, high and low word.
   */
  callback(callback: { readonly low: number; readonly high: number }): void {
    const target = this.memory.regions[callback.high];
    if (callback.high <= 0 || !(target?.object instanceof Code)) throw this.trap('the callback is no function');
    const returnTo = this.#pc;
    this.#call(target.object, callback.low, returnTo);
    this.#execute(this.#depth);
    this.#return();
  }

  /** Makes the error that says why the instruction that runs cannot. */
  trap(what: string, hint?: string, access: Pick<BpfAsmErrorContext, 'address' | 'size'> = {}): BpfAsmError {
    return this.#error('ERR_TRAP', what, hint, access);
  }

  #error(code: BpfAsmErrorCode, what: string, hint?: string, access: BpfAsmErrorContext = {}): BpfAsmError {
    const instruction = this.#code?.instructions[this.#pc];
    return new BpfAsmError(
      code,
      `${instruction === undefined ? 'end of the program' : describeInstruction(instruction)}: ${what}`,
      {
        instruction: this.#pc,
        ...access,
        ...(instruction?.source === undefined ? {} : { source: instruction.source }),
        ...(hint === undefined ? {} : { hint }),
      },
    );
  }

  /** Makes code the one that runs. */
  #enter(code: Code): void {
    if (this.#code === code) return;
    this.#code = code;
    const size = OWN_REGISTERS + code.constantsLo.length;
    if (this.lo.length < size) {
      this.lo = grown(this.lo, size);
      this.hi = grown(this.hi, size);
    }
    this.lo.set(code.constantsLo, OWN_REGISTERS);
    this.hi.set(code.constantsHi, OWN_REGISTERS);
  }

  /** Begins a function: `#execute` goes on at `#pc`. */
  #call(code: Code, pc: number, returnTo: number): void {
    if (this.#depth + 1 >= MAX_FRAMES) throw this.trap(`more than ${MAX_FRAMES} functions are active`);
    const frame = this.#frames[++this.#depth] as Frame;
    frame.begin();
    frame.save(this.lo, this.hi);
    frame.code = this.#code;
    frame.pc = returnTo;
    this.setAddress(10, frame.stack, STACK_SIZE);
    this.#pc = this.#checked(code, pc);
    this.#enter(code);
  }

  /** Ends a function: the caller goes on at `#pc`. */
  #return(): void {
    const frame = this.#frames[this.#depth--] as Frame;
    frame.restore(this.lo, this.hi);
    this.setAddress(10, (this.#frames[this.#depth] as Frame).stack, STACK_SIZE);
    this.#enter(frame.code as Code);
    this.#pc = frame.pc;
  }

  /** Runs from `#pc` until the function at depth `base` ends. */
  #execute(base: number): void {
    let lo = this.lo;
    let hi = this.hi;
    let words = (this.#code as Code).words;
    let pc = base === 0 ? 0 : this.#pc;
    const { regions } = this.memory;
    for (;;) {
      if (--this.#countdown < 0) this.#tick(pc);
      const at = pc << 2;
      const operation = words[at] as number;
      const d = words[at + 1] as number;
      const s = words[at + 2] as number;
      const extra = words[at + 3] as number;
      const code = operation & 0xf;
      pc++;
      switch (operation >> 4) {
        case 0x0:
          alu64(code, lo, hi, d, s);
          break;
        case 0x1:
          alu32(code, lo, hi, d, s);
          break;
        case 0x2:
          extend(code, lo, hi, d, s);
          break;
        case 0x3:
          if (condition64(code, lo[d] as number, hi[d] as number, lo[s] as number, hi[s] as number)) pc = extra;
          break;
        case 0x4:
          if (condition32(code, lo[d] as number, lo[s] as number)) pc = extra;
          break;
        case 0x5: {
          const region = regions[hi[s] as number] ?? NOWHERE;
          const byte = ((lo[s] as number) >>> 0) + extra;
          if (byte < region.start || byte + (1 << (code & 3)) > region.end) this.#loadSlow(pc - 1, code, d, s, extra);
          else load(code, region.view, byte, lo, hi, d);
          break;
        }
        case 0x6: {
          const region = regions[hi[d] as number] ?? NOWHERE;
          const byte = ((lo[d] as number) >>> 0) + extra;
          if (byte < region.start || byte + (1 << code) > region.writeEnd) this.#storeSlow(pc - 1, code, d, s, extra);
          else store(code, region.view, byte, lo[s] as number, hi[s] as number);
          break;
        }
        case 0x7:
          atomic32(code, this.#atomicRegion(pc - 1, 4, d, extra).view, ((lo[d] as number) + extra) >>> 0, lo, hi, s);
          break;
        case 0x8:
          atomic64(code, this.#atomicRegion(pc - 1, 8, d, extra).view, ((lo[d] as number) + extra) >>> 0, lo, hi, s);
          break;
        default: {
          if (code === 0) {
            pc = extra;
            break;
          }
          this.#pc = pc - 1;
          if (!this.#control(code, d, s, extra, base)) return;
          pc = this.#pc;
          lo = this.lo;
          hi = this.hi;
          words = (this.#code as Code).words;
        }
      }
    }
  }

  /** Runs an instruction that moves `#pc` otherwise than by one or needs the machine; false where the function at `base` ends. */
  #control(code: number, d: number, s: number, extra: number, base: number): boolean {
    switch (code) {
      case 1: // exit
        return this.#exit(base);
      case 2: // call
        this.#helper((this.#code as Code).helpers[extra]);
        return true;
      case 3: // call_local
        this.#call(this.#code as Code, extra, this.#pc + 1);
        return true;
      case 4: {
        // callx: by address, or a helper by its number
        const target = this.regionAt(d)?.object;
        if (target instanceof Code) this.#call(target, this.s32(d), this.#pc + 1);
        else this.#helper(this.high(d) === 0 ? (this.#code as Code).helper(this.s32(d)) : undefined);
        return true;
      }
      case 5: // gotox
        if (this.regionAt(d)?.object !== this.#code) throw this.trap('the register holds no address of an instruction');
        this.#pc = this.#checked(this.#code as Code, this.s32(d));
        return true;
      case 6: // may_goto
        this.#pc = (this.#frames[this.#depth] as Frame).loops-- > 0 ? this.#pc + 1 : extra;
        return true;
      case 7: {
        const { region, offset } = (this.#code as Code).addresses[extra] as SymbolicAddress;
        this.setAddress(d, region, offset);
        this.#pc++;
        return true;
      }
      case 8: // ld_abs
        return this.#legacyLoad(d, extra, base);
      case 9: // ld_ind
        return this.#legacyLoad(d, (this.s32(s) + extra) | 0, base);
      default:
        throw this.trap('control falls off the end', 'end every path with exit');
    }
  }

  #exit(base: number): boolean {
    if (this.#depth === base) return false;
    this.#return();
    return true;
  }

  #helper(helper: HelperFunction | undefined): void {
    if (helper === undefined) throw this.trap('the interpreter has no such helper', 'give it with the option helpers');
    this.setResult(0, helper(this));
    this.#pc++;
    if (this.#tailTarget === undefined) return;
    this.#enter(this.#tailTarget);
    this.#tailTarget = undefined;
    this.#pc = 0;
  }

  /** A legacy load ends the function with 0 where the packet has no such bytes (RFC 9669 section 5.5). */
  #legacyLoad(code: number, offset: number, base: number): boolean {
    const packet = this.run.packet;
    if (packet === undefined) throw this.trap('there is no packet');
    const value = packet.bigEndian(offset, 1 << code);
    this.setWords(0, value ?? 0, 0);
    if (value === undefined) return this.#exit(base);
    this.#pc++;
    return true;
  }

  /** The cold part of a step: the limit, and the trace. */
  #tick(pc: number): void {
    this.#pc = pc;
    if (this.#granted >= this.#stepLimit) {
      const hint = 'set the option stepLimit if it needs more';
      throw this.#error('ERR_STEP_LIMIT', `${this.#stepLimit} steps are used up`, hint);
    }
    this.#granted++;
    this.#countdown = 0;
    const instruction = (this.#code as Code).instructions[pc];
    if (instruction !== undefined) this.#trace?.(pc, this, instruction);
  }

  #loadSlow(pc: number, code: number, d: number, s: number, offset: number): void {
    const region = this.#locate(s, offset);
    const at = (this.s32(s) + offset) >>> 0;
    const size = 1 << (code & 3);
    this.#pc = pc;
    if (region.fields !== undefined) {
      if (region.fields.load(this, d, at, size, code >= 4)) return;
    } else if (at >= region.start && at + size <= region.end) {
      load(code, region.view, at, this.lo, this.hi, d);
      return;
    }
    throw this.outside('read', s, offset, size);
  }

  #storeSlow(pc: number, code: number, d: number, s: number, offset: number): void {
    const region = this.#locate(d, offset);
    const at = (this.s32(d) + offset) >>> 0;
    const size = 1 << code;
    this.#pc = pc;
    if (region.fields !== undefined) {
      if (region.fields.store(at, size, this.s32(s), this.high(s))) return;
    } else if (at >= region.start && at + size <= region.writeEnd) {
      store(code, region.view, at, this.s32(s), this.high(s));
      return;
    }
    throw this.outside('write', d, offset, size);
  }

  #atomicRegion(pc: number, size: number, d: number, offset: number): Region {
    const region = this.#locate(d, offset);
    const at = (this.s32(d) + offset) >>> 0;
    if (at >= region.start && at + size <= region.writeEnd) return region;
    this.#pc = pc;
    throw this.outside('write', d, offset, size);
  }

  /** The region that `register + offset` points into. The sum is one of 64 bits: it may carry into the region's number. */
  #locate(register: number, offset: number): Region {
    const carry = Math.floor((this.u32(register) + offset) / 0x1_0000_0000);
    return this.memory.regions[this.high(register) + carry] ?? NOWHERE;
  }

  #checked(code: Code, pc: number): number {
    if (pc >= 0 && pc < code.instructions.length) return pc;
    throw this.trap(`there is no instruction ${pc}`);
  }
}

function grown(words: Int32Array, size: number): Int32Array {
  const bigger = new Int32Array(size);
  bigger.set(words);
  return bigger;
}
