/** What an agent tells as it goes: lines for a journal. */
export interface AgentLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Levels of RFC 5424 that are used, with the numbers that the journal reads at the beginning of a line (sd-daemon(3)). */
const LEVEL = { error: 3, warn: 4, info: 6 } as const;

/** Options of {@link lineLog}. */
export interface LineLogOptions {
  /** `json`: an object a line, with `time`, `level` and `message`; `journal`: with the level as the journal reads it. */
  readonly format: 'plain' | 'json' | 'journal';
}

/** Writes one line for each message. What has several lines becomes one. */
export function lineLog(write: (text: string) => unknown, { format }: LineLogOptions): AgentLog {
  const line = (level: keyof typeof LEVEL, message: string): void => {
    if (format === 'json') {
      write(`${JSON.stringify({ time: new Date().toISOString(), level, message })}\n`);
      return;
    }
    const text = message.trimEnd().replaceAll(/\s*\n\s*/g, ' | ');
    write(format === 'journal' ? `<${LEVEL[level]}>${text}\n` : `${level}: ${text}\n`);
  };
  return {
    info: (message) => line('info', message),
    warn: (message) => line('warn', message),
    error: (message) => line('error', message),
  };
}

/** An error in words. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
