import type { SourcePosition } from '../source.ts';

/** Finds the author's line that is being run. */
export type Locate = () => SourcePosition | undefined;

interface Frame {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const FRAME = /(?:\(|at (?:async )?)((?:[A-Za-z]:)?[^():]*(?:\([^()]*\)[^():]*)*):(\d+):(\d+)\)?$/;

/** The frame that a line of a V8 stack trace describes; nothing for other lines, native code and other engines. */
export function parseFrame(line: string): Frame | undefined {
  const match = FRAME.exec(line.trim().replace('file://', ''));
  if (match?.[1] === undefined) return undefined;
  return { file: decode(match[1]), line: Number(match[2]), column: Number(match[3]) };
}

function decode(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/**
 * Tells the language's own files from the author's, given where this file is: the folder of the language, but for its tests and the programs in it; the
 * whole of `dist` when the package was built; this file alone when it was bundled with the author's code (which then has no positions).
 */
export function isOwnFile(self: string): (file: string) => boolean {
  const source = /^(?<root>.*\/)lang\/position\.[cm]?[jt]s$/.exec(self)?.groups?.['root'];
  if (source !== undefined) {
    const parts = [`${source}lang/`, `${source}compile/`];
    return (file) => parts.some((part) => file.startsWith(part)) && !/\/pieces\/|\.test\.[cm]?[jt]s$/.test(file);
  }
  const built = self.lastIndexOf('/dist/');
  if (built < 0) return (file) => file === self;
  const folder = self.slice(0, built + 6);
  return (file) => file.startsWith(folder);
}

/**
 * Makes what finds the author's line: the innermost frame of the stack that is not of the language. It needs V8's stack traces; on another engine
 * there are no positions, and nothing else changes.
 */
export function locator(): Locate {
  const self = firstFrame(() => true);
  if (self === undefined) return () => undefined;
  const own = isOwnFile(self.file);
  return () => firstFrame(({ file }) => !own(file));
}

/** V8's knob for the number of frames in a trace: the default of 10 does not always reach the author. */
const v8 = Error as unknown as { stackTraceLimit?: number };
const DEPTH = 50;

function firstFrame(wanted: (frame: Frame) => boolean): Frame | undefined {
  const limit = v8.stackTraceLimit;
  v8.stackTraceLimit = DEPTH;
  const { stack = '' } = new Error('position');
  if (limit === undefined) delete v8.stackTraceLimit;
  else v8.stackTraceLimit = limit;
  for (const line of stack.split('\n')) {
    const frame = parseFrame(line);
    if (frame !== undefined && wanted(frame)) return frame;
  }
  return undefined;
}
