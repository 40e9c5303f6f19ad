import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { isBpfAsmError } from '../error.ts';
import { controlFlow, parse, toDot, toMermaid } from './index.ts';

const program = parse(`
  r6 = 3
loop:
  r6 -= 1
  call double
  if r6 != 0x0 goto loop
  r1 = map["a\\"b"]
  goto out
out:
  exit
double:
  r0 = 0x100000000
  w0 <<= 1
  exit
`);

describe('controlFlow', () => {
  it('finds blocks, edges and functions', () => {
    expect(controlFlow(program)).toEqual({
      blocks: [
        { start: 0, end: 1, slot: 0, function: 0, edges: [{ to: 1, kind: 'next' }] },
        { start: 1, end: 4, slot: 1, function: 0, edges: [{ to: 1, kind: 'taken' }, { to: 2, kind: 'else' }] },
        { start: 4, end: 6, slot: 4, function: 0, edges: [{ to: 3, kind: 'jump' }] },
        { start: 6, end: 7, slot: 7, function: 0, edges: [] },
        { start: 7, end: 10, slot: 8, function: 1, edges: [] },
      ],
      functions: [
        { start: 0, calls: [1] },
        { start: 7, calls: [] },
      ],
    }); // prettier-ignore
  });

  it('takes the empty program, and one that falls off its end', () => {
    expect(controlFlow([])).toEqual({ blocks: [], functions: [] });
    expect(controlFlow(parse('if r1 == 0x0 goto pc-1')).blocks).toEqual([
      { start: 0, end: 1, slot: 0, function: 0, edges: [{ to: 0, kind: 'taken' }] },
    ]);
  });

  it('refuses jumps that lead nowhere', () => {
    expect(() => controlFlow(parse('goto pc+1\nexit'))).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE', instruction: 0 }) as Error,
    );
    expect(() => controlFlow(parse('goto pc+1\nr0 = 0x1\nexit'))).toThrow('middle');
  });

  it('covers each instruction with one block, or gives an error of ours', () => {
    const jumps = fc.array(
      fc.oneof(
        arbitraryInstruction,
        fc.integer({ min: -9, max: 9 }).map((target) => ({ kind: 'ja' as const, target })),
      ),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(jumps, (instructions) => {
        try {
          const { blocks } = controlFlow(instructions);
          const whole = blocks.every(
            ({ start, edges }, index) =>
              start === (blocks[index - 1]?.end ?? 0) && edges.every(({ to }) => blocks[to] !== undefined),
          );
          return whole && (blocks.at(-1)?.end ?? 0) === instructions.length;
        } catch (error) {
          return isBpfAsmError(error, 'ERR_OUT_OF_RANGE');
        }
      }),
      { numRuns: 3000 },
    );
  });
});

it('draws for Graphviz', () => {
  expect(toDot(program)).toMatchInlineSnapshot(`
    "digraph program {
      node [shape=box, fontname=monospace];
      subgraph cluster_0 {
        label="main";
        b0 [label="0: r6 = 3\\l"];
        b1 [label="1: r6 -= 1\\l2: call pc+5\\l3: if r6 != 0x0 goto pc-3\\l"];
        b2 [label="4: r1 = map[\\"a\\\\\\"b\\"]\\l6: goto pc+0\\l"];
        b3 [label="7: exit\\l"];
      }
      subgraph cluster_1 {
        label="function at 8";
        b4 [label="8: r0 = 0x100000000\\l10: w0 <<= 1\\l11: exit\\l"];
      }
      b0 -> b1;
      b1 -> b1 [label="yes"];
      b1 -> b2 [label="no"];
      b2 -> b3;
      b0 -> b4 [style=dashed];
    }
    "
  `);
});

it('draws for Mermaid', () => {
  expect(toMermaid(program)).toMatchInlineSnapshot(`
    "flowchart TD
      subgraph f0["main"]
        b0["0: r6 = 3"]
        b1["1: r6 -= 1<br/>2: call pc+5<br/>3: if r6 != 0x0 goto pc-3"]
        b2["4: r1 = map[#34;a#92;#34;b#34;]<br/>6: goto pc+0"]
        b3["7: exit"]
      end
      subgraph f1["function at 8"]
        b4["8: r0 = 0x100000000<br/>10: w0 #60;#60;= 1<br/>11: exit"]
      end
      b0 --> b1
      b1 -->|yes| b1
      b1 -->|no| b2
      b2 --> b3
      b0 -.-> b4
    "
  `);
});
