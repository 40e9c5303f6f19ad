import { Region } from './region.ts';
import type { Code } from './code.ts';

/** Bytes of stack that each function has (`MAX_BPF_STACK`). */
export const STACK_SIZE = 512;

/** Functions that may be active at once, the program itself included (`MAX_CALL_FRAMES`). */
export const MAX_FRAMES = 8;

/** Iterations that `may_goto` grants each function (`BPF_MAX_LOOPS`). */
const MAX_LOOPS = 0x80_0000;

/** What a call keeps of its caller, and the callee's own stack. */
export class Frame {
  readonly stack: Region;
  /** Where the caller goes on. */
  code: Code | undefined = undefined;
  pc = 0;
  /** Low and high words of the caller's `r6` to `r9`. */
  readonly saved: Int32Array = new Int32Array(8);
  /** Iterations that `may_goto` has left. */
  loops: number = MAX_LOOPS;

  constructor(depth: number) {
    this.stack = new Region(depth === 0 ? 'stack' : `stack of frame ${depth}`, new Uint8Array(STACK_SIZE));
  }

  /** Makes it ready for a function that begins. */
  begin(): void {
    this.stack.bytes.fill(0);
    this.loops = MAX_LOOPS;
  }

  /** Keeps the registers that survive calls. */
  save(lo: Int32Array, hi: Int32Array): void {
    for (let i = 0; i < 4; i++) {
      this.saved[i] = lo[6 + i] as number;
      this.saved[4 + i] = hi[6 + i] as number;
    }
  }

  /** Puts the registers that survive calls back. */
  restore(lo: Int32Array, hi: Int32Array): void {
    for (let i = 0; i < 4; i++) {
      lo[6 + i] = this.saved[i] as number;
      hi[6 + i] = this.saved[4 + i] as number;
    }
  }
}
