import { checkInstructions } from '../isa/check.ts';
import { REGISTERS, type Instruction, type Register, type SourcePosition } from '../isa/index.ts';
import { fallsThrough, registersRead, registersWritten, targetOf } from './effects.ts';
import { landing, slotMap, type SlotMap } from './flow.ts';
import { reachable } from './reach.ts';
import { trackRegisters } from './track.ts';

/** What lint looks for. */
export type LintRule =
  | 'empty'
  | 'unknown-instruction'
  | 'kernel-only'
  | 'falls-off-the-end'
  | 'jump-outside'
  | 'jump-into-wide'
  | 'unreachable'
  | 'write-to-frame-pointer'
  | 'stack-bounds'
  | 'unset-register'
  | 'clobbered-register'
  | 'division-by-zero'
  | 'shift-out-of-range';

/** One thing that lint found. */
export interface Finding {
  readonly rule: LintRule;
  /** An error is refused by every kernel; a warning by some, or on some path. */
  readonly severity: 'error' | 'warning';
  /** Index of the instruction; 0 for a program without any. */
  readonly instruction: number;
  /** What is wrong and what to do. */
  readonly message: string;
  /** The place in the author's source that asked for the instruction. */
  readonly source?: SourcePosition;
}

/**
 * Looks for what the kernel's verifier would refuse, by structure alone: no kernel, no knowledge of helpers or types.
 *
 * @param instructions - linked instructions; the first is the entry, with the context in `r1`.
 * @returns the findings in the order of the instructions; none for a program that is structurally sound.
 */
export function lint(instructions: readonly Instruction[]): Finding[] {
  checkInstructions(instructions);
  if (instructions.length === 0) {
    return [
      { rule: 'empty', severity: 'error', instruction: 0, message: 'a program has at least one instruction, exit' },
    ];
  }
  const findings: Finding[] = [];
  const report = (
    instruction: number,
    rule: LintRule,
    message: string,
    severity: Finding['severity'] = 'error',
  ): void => {
    const source = instructions[instruction]?.source;
    findings.push({ rule, severity, instruction, message, ...(source === undefined ? {} : { source }) });
  };
  const slots = slotMap(instructions);
  const landings = instructions.map((_, index) => landingIndex(instructions, slots, index));
  const reached = reachable(
    instructions.length,
    (i) => instructions[i] as Instruction,
    (i) => landings[i] as number,
  );

  instructions.forEach((instruction, index) => {
    checkShape(instruction, index, report);
    checkTarget(instructions, slots, index, report);
    if (reached[index] === 0 && reached[index - 1] !== 0) {
      report(index, 'unreachable', 'no path leads here: remove it, the kernel refuses unreachable instructions');
    }
  });
  checkRegisters(instructions, landings, reached, report);
  return findings.sort((a, b) => a.instruction - b.instruction);
}

type Report = (instruction: number, rule: LintRule, message: string, severity?: Finding['severity']) => void;

function landingIndex(instructions: readonly Instruction[], slots: SlotMap, index: number): number {
  const at = landing(instructions, slots, index);
  return typeof at === 'number' ? at : -1;
}

function checkShape(i: Instruction, index: number, report: Report): void {
  if (i.kind === 'raw') {
    report(
      index,
      'unknown-instruction',
      `opcode 0x${i.opcode.toString(16).padStart(2, '0')} with these fields is no instruction`,
    );
    return;
  }
  if (i.kind === 'nospec' || i.kind === 'mov_percpu') {
    report(index, 'kernel-only', `only the kernel itself may write ${i.kind}`);
  }
  if (usesScratch(i)) report(index, 'kernel-only', 'only the kernel itself may use r11');
  if ((registersWritten(i) & (1 << 10)) !== 0) {
    report(index, 'write-to-frame-pointer', 'r10 is read-only: copy it to another register first');
  }
  if (i.kind !== 'alu' || typeof i.src !== 'number') return;
  if (i.src === 0 && (i.op === 'div' || i.op === 'mod' || i.op === 'sdiv' || i.op === 'smod')) {
    report(index, 'division-by-zero', `Linux refuses ${i.op} by the immediate 0`, 'warning');
  }
  if ((i.op === 'lsh' || i.op === 'rsh' || i.op === 'arsh') && (i.src < 0 || i.src >= i.width)) {
    report(index, 'shift-out-of-range', `Linux refuses a shift by ${i.src} of ${i.width} bits`, 'warning');
  }
}

function usesScratch(i: Instruction): boolean {
  return ((registersRead(i) | registersWritten(i)) & (1 << 11)) !== 0;
}

function checkTarget(instructions: readonly Instruction[], slots: SlotMap, index: number, report: Report): void {
  const instruction = instructions[index] as Instruction;
  const at = landing(instructions, slots, index);
  const target = targetOf(instruction);
  if (at === 'outside') report(index, 'jump-outside', `the target ${slotOffset(target)} leads outside the program`);
  if (at === 'middle')
    report(
      index,
      'jump-into-wide',
      `the target ${slotOffset(target)} leads into the middle of a 64-bit immediate load`,
    );
  if (index === instructions.length - 1 && fallsThrough(instruction)) {
    report(index, 'falls-off-the-end', 'control goes on past the last instruction: end with exit or a jump');
  }
}

function slotOffset(target: number | undefined): string {
  return target === undefined ? '' : target < 0 ? `${target}` : `+${target}`;
}

function checkRegisters(
  instructions: readonly Instruction[],
  landings: readonly number[],
  reached: Uint8Array,
  report: Report,
): void {
  const states = trackRegisters(instructions, landings);
  instructions.forEach((instruction, index) => {
    const state = states[index];
    if (state === undefined || reached[index] === 0) return;
    const unset = registersRead(instruction) & ~state.always & 0x7ff;
    for (let n = 0; n <= 10; n++) {
      if ((unset & (1 << n)) === 0) continue;
      const register = REGISTERS[n] as Register;
      const somewhere = (state.sometimes & (1 << n)) !== 0;
      const severity = somewhere ? 'warning' : 'error';
      const clobber = state.clobberedBy[n] as number;
      if (clobber >= 0)
        report(
          index,
          'clobbered-register',
          `${register} was used up by the call at instruction ${clobber}: keep it in r6 to r9`,
          severity,
        );
      else
        report(
          index,
          'unset-register',
          somewhere ? `${register} is not set on every path` : `${register} was never set`,
          severity,
        );
    }
    checkStack(instruction, index, state.frame, report);
  });
}

/** Checks an access whose address is the frame pointer and a number. */
function checkStack(i: Instruction, index: number, frame: readonly (number | undefined)[], report: Report): void {
  const access = memoryAccess(i);
  if (access === undefined) return;
  const base = frame[REGISTERS.indexOf(access.base)];
  if (base === undefined) return;
  const from = base + access.offset;
  if (from >= -512 && from + access.size <= 0) return;
  report(
    index,
    'stack-bounds',
    `the ${access.size} bytes at r10${from < 0 ? '' : '+'}${from} are not within the 512 bytes of stack below r10`,
  );
}

const SIZE_OF = { u8: 1, u16: 2, u32: 4, u64: 8, s8: 1, s16: 2, s32: 4 } as const;

function memoryAccess(i: Instruction): { base: Register; offset: number; size: number } | undefined {
  switch (i.kind) {
    case 'load':
    case 'load_acquire':
      return { base: i.src, offset: i.offset, size: SIZE_OF[i.type] };
    case 'store':
    case 'store_release':
      return { base: i.dst, offset: i.offset, size: SIZE_OF[i.type] };
    case 'atomic':
      return { base: i.dst, offset: i.offset, size: i.width / 8 };
    default:
      return undefined;
  }
}
