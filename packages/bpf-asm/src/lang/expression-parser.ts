/** What the parts and operations of an expression come to. */
export interface Operators<N> {
  readonly constant: (value: bigint) => N;
  /** What was put in between the words, by its index. */
  readonly part: (index: number) => N;
  readonly unary: (op: string, a: N) => N;
  readonly binary: (op: string, a: N, b: N) => N;
  /** The error at the author's line. */
  readonly error: (message: string, hint: string) => Error;
}

/** How strongly C's operators bind; the larger, the stronger. */
const BINDING: Readonly<Record<string, number>> = {
  '||': 1, '&&': 2, '|': 3, '^': 4, '&': 5, '==': 6, '!=': 6, '<': 7, '<=': 7, '>': 7, '>=': 7, '<<': 8, '>>': 8, '+': 9, '-': 9, '*': 10, '/': 10, '%': 10,
}; // prettier-ignore

const UNARY: ReadonlySet<string> = new Set(['-', '~', '!']);
const TOKEN =
  /\s*(?:(?<number>0[xX][\da-fA-F]+|\d+)(?![\w.])|(?<op>\|\||&&|==|!=|<<|>>|<=|>=|[-+*/%&|^~!<>()])|(?<wrong>\S+))/gy;

type Token<N> = { readonly kind: 'node'; readonly node: N } | { readonly kind: 'op'; readonly op: string };

/** Parses an expression of a template by the binding of its operators (Pratt, "Top Down Operator Precedence", 1973). */
export class Parser<N> {
  readonly #operators: Operators<N>;
  readonly #tokens: readonly Token<N>[];
  #at = 0;

  constructor(text: readonly string[], operators: Operators<N>) {
    this.#operators = operators;
    this.#tokens = text.flatMap((words, index) => {
      const tokens = this.#tokensOf(words);
      return index === text.length - 1 ? tokens : [...tokens, { kind: 'node', node: operators.part(index) }];
    });
  }

  /** The whole expression. @throws what `error` makes when it is none. */
  parse(): N {
    const result = this.#expression(0);
    const rest = this.#tokens[this.#at];
    if (rest === undefined) return result;
    throw this.#operators.error(`${spell(rest)} is left over`, 'put an operator before it, or take it away');
  }

  #expression(least: number): N {
    let left = this.#prefix();
    for (;;) {
      const token = this.#tokens[this.#at];
      const binding = token?.kind === 'op' ? (BINDING[token.op] ?? 0) : 0;
      if (token?.kind !== 'op' || binding === 0 || binding <= least) return left;
      this.#at++;
      left = this.#operators.binary(token.op, left, this.#expression(binding));
    }
  }

  #prefix(): N {
    const token = this.#tokens[this.#at++];
    if (token?.kind === 'node') return token.node;
    if (token !== undefined && UNARY.has(token.op)) return this.#operators.unary(token.op, this.#prefix());
    if (token?.op !== '(') {
      const where = token === undefined ? 'at the end' : `before ${spell(token)}`;
      throw this.#operators.error(`a value is missing ${where}`, 'write one');
    }
    const inner = this.#expression(0);
    const close = this.#tokens[this.#at++];
    if (close?.kind === 'op' && close.op === ')') return inner;
    throw this.#operators.error('a parenthesis is not closed', 'write )');
  }

  #tokensOf(words: string): Token<N>[] {
    const tokens: Token<N>[] = [];
    for (const { groups = {} } of words.matchAll(TOKEN)) {
      const { number, op, wrong } = groups;
      if (number !== undefined) tokens.push({ kind: 'node', node: this.#operators.constant(BigInt(number)) });
      else if (op !== undefined) tokens.push({ kind: 'op', op });
      else throw this.#operators.error(`${wrong ?? ''} is no part of an expression`, 'values are put in as ${value}');
    }
    return tokens;
  }
}

function spell(token: Token<unknown>): string {
  return token.kind === 'op' ? token.op : 'a value';
}
