/** What a verifier log says in short. */
export interface LogSummary {
  /** The line that says what is wrong; of the layout of 7.3, `title: reason`. Empty where the log says nothing. */
  readonly summary: string;
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
  /^BPF program is too large/,
  /^; /,
  /^\s*$/,
  /^(from )?\d+( to \d+)?: /,
  /^(last_idx|regs=|mark_precise:|parent |propagating |Live regs before insn:)/,
  /^(Func|Global function|Validating|func#\d+ @\d+|caller:|callee:|returning from callee:|to caller at)/,
  /^\s+(R\d+|fp)/,
];
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
 * the one from there (sections `Verification failed:`, `Reason:`, `At:`, `Suggestion:`). Never throws, whatever the text.
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
  // The first line of the section names the instruction; a program of several functions prefixes a function's name.
  const at = /\binsn (\d+)/.exec(section('At').join('\n'))?.[1];
  const message = flat(lines.slice(0, title));
  return {
    summary: [what, reason].filter((part) => part !== '').join(': ') || message.summary,
    slot: at === undefined ? message.slot : Number(at),
  };
}

function flat(lines: readonly string[]): LogSummary {
  let end = lines.length - 1;
  while (end >= 0 && isNoise(lines[end] ?? '') && !/^\d+: .*(invalid|unknown|misaligned)/.test(lines[end] ?? ''))
    end -= 1;
  if (end < 0) return { summary: '', slot: undefined };
  const summary = (lines[end] ?? '').trim();
  for (const pattern of NAMED_SLOT) {
    const named = pattern.exec(summary)?.[1];
    if (named !== undefined) return { summary: joined(lines, end), slot: Number(named) };
  }
  for (let i = end; i >= 0; i -= 1) {
    const number = INSTRUCTION.exec(lines[i] ?? '')?.[1];
    if (number !== undefined) return { summary: joined(lines, end), slot: Number(number) };
  }
  return { summary: joined(lines, end), slot: undefined };
}

/** The message with the line before it, where that is a part of it: `invalid access …` then `R2 offset is outside …`. */
function joined(lines: readonly string[], end: number): string {
  const last = (lines[end] ?? '').trim();
  const before = (lines[end - 1] ?? '').trim();
  return before === '' || isNoise(before) || INSTRUCTION.test(before) ? last : `${before}; ${last}`;
}
