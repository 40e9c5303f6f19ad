/** What a verifier log says in short. */
export interface LogSummary {
  /** The line that says what is wrong; of the layout of 7.3, `title: reason`. Empty where the log says nothing. */
  readonly summary: string;
  /** The line in the words of the layout before 7.3, which the newer one still has before its sections. */
  readonly message: string;
  /** Slot of the refused instruction, or undefined where the log names none. */
  readonly slot: number | undefined;
}

/** `12: (61) r2 = …`: an instruction as the verifier walks over it. */
const INSTRUCTION = /^\s*(\d+): \([0-9a-f]{2}\) /;
/** Lines that close a log, or say where the verifier is, and not what is wrong. */
const NOISE = [
  /^processed \d+ insns/,
  /^verification time /,
  /^stack depth /,
  /^(max_states|total_states|peak_states|mark_read)/,
  /^; /,
  /^\s*$/,
  /^(from )?\d+( to \d+)?: /,
  /^(last_idx|regs=|mark_precise:|parent |propagating |Live regs before insn:)/,
  /^(Func|Global function|Validating|func#\d+ @\d+|caller:|callee:|returning from callee:|to caller at)/,
  /^arg#\d+ reference type\('UNKNOWN '\) size cannot be determined/,
  /^\s+(R\d+|fp)/,
];
/** The whole program is at fault, so that the line before is not a part of the message. */
const LIMIT = /^(BPF program is too large|The sequence of \d+ jumps is too complex)/;
/** Words that name a slot where no instruction was printed before the message. */
const NAMED_SLOT = [
  /\binsn[s ]*#?(\d+)\b/,
  /\bfrom insn (\d+)/,
  /\binsn_off:(\d+)/,
  /\bat (?:insn )?(\d+)$/,
  /\bprog\[(\d+)\]/,
];

const isNoise = (line: string): boolean => NOISE.some((pattern) => pattern.test(line));

/**
 * Finds in a verifier log what is wrong and where, in the layout before Linux 7.3 (the message follows the instruction) and
 * the one from there (behind that message, sections `Verification failed:`, `Reason:`, `At:`, `Causal path:`, `Suggestion:`; Linux'
 * kernel/bpf/diagnostics.c). Never throws, whatever the text.
 */
export function summariseLog(log: string): LogSummary {
  const lines = log.split('\n').map((line) => line.trimEnd());
  const title = lines.findIndex((line) => line.startsWith('Verification failed:'));
  return title >= 0 ? sections(lines, title) : flat(lines);
}

function sections(lines: readonly string[], title: number): LogSummary {
  const what = (lines[title] ?? '').slice('Verification failed:'.length).trim();
  const section = (name: string): string[] => {
    const start = lines.indexOf(`${name}:`, title);
    if (start < 0) return [];
    const end = lines.findIndex((line, i) => i > start && /^\S/.test(line));
    return lines.slice(start + 1, end < 0 ? undefined : end).map((line) => line.trim());
  };
  const reason = section('Reason')
    .filter((line) => line !== '')
    .join(' ');
  const { message, slot } = flat(lines.slice(0, title));
  return {
    summary: [what, reason].filter((part) => part !== '').join(': ') || message,
    message,
    slot: slotIn(section('At')) ?? slot,
  };
}

/**
 * The slot in the section `At:`: the marked line of its instructions. A program with source lines shows those first, marked alike; one
 * without begins with `insn 3`.
 */
function slotIn(at: readonly string[]): number | undefined {
  const instructions = at.slice(at.indexOf('Instruction context:') + 1);
  const marked = instructions.map((line) => /^>>> *(\d+) \|/.exec(line)?.[1]).find((slot) => slot !== undefined);
  const named = marked ?? /^insn (\d+)/.exec(at[0] ?? '')?.[1];
  return named === undefined ? undefined : Number(named);
}

function flat(lines: readonly string[]): LogSummary {
  let end = lines.length - 1;
  while (end >= 0 && isNoise(lines[end] ?? '') && !/^\d+: .*(invalid|unknown|misaligned)/.test(lines[end] ?? ''))
    end -= 1;
  if (end < 0) return { summary: '', message: '', slot: undefined };
  const message = joined(lines, end);
  return { summary: message, message, slot: slotOf(lines, end) };
}

/** The slot that the message in line `end` names, or else the instruction before it. */
function slotOf(lines: readonly string[], end: number): number | undefined {
  const message = (lines[end] ?? '').trim();
  for (const pattern of NAMED_SLOT) {
    const named = pattern.exec(message)?.[1];
    if (named !== undefined) return Number(named);
  }
  for (let i = end; i >= 0; i -= 1) {
    const number = INSTRUCTION.exec(lines[i] ?? '')?.[1];
    if (number !== undefined) return Number(number);
  }
  return undefined;
}

/** The message with the line before it, where that is a part of it: `invalid access …` then `R2 offset is outside …`. */
function joined(lines: readonly string[], end: number): string {
  const last = (lines[end] ?? '').trim();
  const before = (lines[end - 1] ?? '').trim();
  return LIMIT.test(last) || before === '' || isNoise(before) || INSTRUCTION.test(before) ? last : `${before}; ${last}`;
}
