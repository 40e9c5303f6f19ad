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
  const self = firstFrame(() => true, DEPTH);
  if (self === undefined) return () => undefined;
  const own = isOwnFile(self.file);
  const find = (depth: number): Frame | undefined => firstFrame(({ file }) => !own(file), depth);
  // A trace as text, which source maps are looked up for, takes a hundred times as long as one that is not written out.
  const ownFiles = new Map<string, boolean>();
  const isOwn = (file: string): boolean => {
    const known = ownFiles.get(file) ?? own(decode(file.replace('file://', '')));
    ownFiles.set(file, known);
    return known;
  };
  const known = new Map<string, Frame | undefined>();
  return () => {
    const near = callSites(NEAR);
    const isNear = near?.some((site) => !isOwn(site.getFileName() ?? '')) === true;
    const sites = (isNear ? near : callSites(DEPTH)) ?? [];
    const at = sites.findIndex((site) => !isOwn(site.getFileName() ?? ''));
    const site = sites[at];
    if (site === undefined) return find(DEPTH);
    const key = `${site.getFileName()}:${site.getLineNumber()}:${site.getColumnNumber()}`;
    // As text no more frames than it most likely takes to get there.
    if (!known.has(key)) known.set(key, find(at + 8) ?? find(DEPTH));
    return known.get(key);
  };
}

/** What V8 tells of a frame (v8.dev/docs/stack-trace-api): where it is in the code that runs, not in what that was made of. */
interface CallSite {
  getFileName(): string | null | undefined;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
}

/** V8's knobs: the number of frames in a trace, whose default of 10 does not always reach the author, and how a trace is written. */
const v8 = Error as unknown as {
  stackTraceLimit?: number;
  prepareStackTrace?: (error: Error, sites: readonly CallSite[]) => unknown;
};
const DEPTH = 50;
/** Where the author mostly is: each frame takes its time. */
const NEAR = 11;

/** The frames of the stack, innermost first; nothing on other engines, and where others do not let the trace's form be chosen. */
function callSites(depth: number): readonly CallSite[] | undefined {
  const before = v8.prepareStackTrace;
  let sites: readonly CallSite[] | undefined;
  try {
    v8.prepareStackTrace = (_error, all) => void (sites = all);
    stackOf(depth);
  } catch {
    // Frozen intrinsics: the trace as text does.
    return undefined;
  }
  if (before === undefined) delete v8.prepareStackTrace;
  else v8.prepareStackTrace = before;
  return sites;
}

function stackOf(depth: number): string {
  const limit = v8.stackTraceLimit;
  v8.stackTraceLimit = depth;
  const { stack = '' } = new Error('position');
  if (limit === undefined) delete v8.stackTraceLimit;
  else v8.stackTraceLimit = limit;
  return String(stack);
}

function firstFrame(wanted: (frame: Frame) => boolean, depth: number): Frame | undefined {
  for (const line of stackOf(depth).split('\n')) {
    const frame = parseFrame(line);
    if (frame !== undefined && wanted(frame)) return frame;
  }
  return undefined;
}
