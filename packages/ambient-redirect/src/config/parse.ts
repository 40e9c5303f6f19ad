import * as v from 'valibot';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Pair,
} from 'yaml';
import { AmbientRedirectError, type ConfigProblem } from '../error.ts';
import type { Schema } from './types.ts';

/** Key of a member, or index into a list. */
type Step = string | number;

/**
 * Reads YAML, of which JSON is a part, and checks it.
 * @param text the file
 * @param name what it is called in messages
 * @throws AmbientRedirectError `ERR_CONFIG` with all that is wrong, each on a line of its own: `NAME:LINE:COLUMN: what`
 */
export function parseConfig<T>(text: string, schema: Schema<T>, name: string): T {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const problem = (offset: number, message: string, path: readonly Step[] = []): ConfigProblem => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col), path: pathText(path), message };
  };
  const broken = [...document.errors, ...document.warnings].map(({ message, pos }) => problem(pos[0], message));
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      broken.push(problem(startOf(alias) ?? 0, `there is no anchor ${alias.source} before it`));
    },
  });
  if (broken.length > 0) throw configError(name, broken);
  const { success, issues, output } = v.safeParse(schema, plain(document, name));
  if (success) return output;
  const problems = issues.map((issue) => {
    const path = (issue.path ?? []).map(({ key }) => key as Step);
    const ofKey = issue.path?.at(-1)?.origin === 'key';
    return problem(offsetOf(document, path, ofKey), messageOf(issue), path);
  });
  throw configError(name, problems);
}

/** The document as plain values. */
function plain(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases that multiply without end.
    const message = error instanceof Error ? error.message : String(error);
    throw configError(name, [{ line: 1, column: 1, path: '', message }]);
  }
}

function configError(name: string, problems: readonly ConfigProblem[]): AmbientRedirectError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const lines = sorted.map(
    ({ line, column, path, message }) => `${name}:${line}:${column}: ${path === '' ? '' : `${path} `}${message}`,
  );
  return new AmbientRedirectError('ERR_CONFIG', lines.join('\n'), { problems: sorted });
}

/** In words; what was found is added where it is a value and fits on a line. */
function messageOf(issue: v.BaseIssue<unknown>): string {
  const { message, input, path } = issue;
  if (path?.at(-1)?.origin === 'key') return input === undefined ? 'is missing' : message;
  if (issue.type === 'raw_check' && typeof input === 'object') return message;
  const found = input === null ? 'empty' : JSON.stringify(input);
  return found === undefined || found.length > 60 ? message : `${message}; it is ${found}`;
}

function pathText(path: readonly Step[]): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}

/** Where in the text something is: the value that a path leads to, its key, or the last thing on the way that is there. */
function offsetOf(document: Document, path: readonly Step[], ofKey: boolean): number {
  let node = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    const whole = isAlias(node) ? node.resolve(document) : node;
    if (isMap(whole)) {
      const pair = (whole.items as Pair<Node, Node | null>[]).find(
        ({ key }) => (isScalar(key) ? String(key.value) : undefined) === String(step),
      );
      if (pair === undefined) break;
      const key = startOf(pair.key) ?? offset;
      const isLast = depth === path.length - 1;
      offset = isLast && ofKey ? key : (startOf(pair.value) ?? key);
      node = pair.value;
    } else if (isSeq(whole)) {
      node = (whole.items[Number(step)] ?? null) as Node | null;
      offset = startOf(node) ?? offset;
    } else break;
  }
  return offset;
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0];
}
