import type { Instruction } from '../isa/index.ts';
import { controlFlow, type FlowBlock, type ControlFlow, type FlowEdge } from './cfg.ts';
import { printInstruction, type PrintOptions } from './print.ts';

/** What a graph shows of each instruction. */
export type GraphOptions = Pick<PrintOptions, 'dialect' | 'style' | 'callName'>;

const WORDS: Readonly<Record<FlowEdge['kind'], string>> = { jump: '', taken: 'yes', else: 'no', next: '' };

/**
 * Draws the control flow of a program in Graphviz' language: a box a block, a frame a function.
 *
 * @param instructions - linked instructions.
 * @param options - the dialect.
 * @throws BpfAsmError as `controlFlow`.
 */
export function toDot(instructions: readonly Instruction[], options: GraphOptions = {}): string {
  const flow = controlFlow(instructions);
  const lines = ['digraph program {', '  node [shape=box, fontname=monospace];'];
  flow.functions.forEach((_, index) => {
    lines.push(`  subgraph cluster_${index} {`, `    label="${functionName(flow, index)}";`);
    for (const [number, block] of blocksOf(flow, index)) {
      const rows = textOf(instructions, block, options).map(
        (row) => `${row.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}\\l`,
      );
      lines.push(`    b${number} [label="${rows.join('')}"];`);
    }
    lines.push('  }');
  });
  flow.blocks.forEach(({ edges }, number) => {
    for (const { to, kind } of edges)
      lines.push(`  b${number} -> b${to}${WORDS[kind] === '' ? '' : ` [label="${WORDS[kind]}"]`};`);
  });
  for (const [from, to] of callsOf(flow)) lines.push(`  b${from} -> b${to} [style=dashed];`);
  return `${lines.join('\n')}\n}\n`;
}

/**
 * Draws the control flow of a program as a Mermaid flowchart, which code forges show in Markdown: a box a block, a frame a function.
 *
 * @param instructions - linked instructions.
 * @param options - the dialect.
 * @throws BpfAsmError as `controlFlow`.
 */
export function toMermaid(instructions: readonly Instruction[], options: GraphOptions = {}): string {
  const flow = controlFlow(instructions);
  const lines = ['flowchart TD'];
  flow.functions.forEach((_, index) => {
    lines.push(`  subgraph f${index}["${functionName(flow, index)}"]`);
    for (const [number, block] of blocksOf(flow, index)) {
      lines.push(`    b${number}["${textOf(instructions, block, options).map(entities).join('<br/>')}"]`);
    }
    lines.push('  end');
  });
  flow.blocks.forEach(({ edges }, number) => {
    for (const { to, kind } of edges)
      lines.push(`  b${number} -->${WORDS[kind] === '' ? '' : `|${WORDS[kind]}|`} b${to}`);
  });
  for (const [from, to] of callsOf(flow)) lines.push(`  b${from} -.-> b${to}`);
  return `${lines.join('\n')}\n`;
}

function functionName({ functions, blocks }: ControlFlow, index: number): string {
  const start = functions[index]?.start;
  return index === 0 ? 'main' : `function at ${blocks.find((block) => block.start === start)?.slot}`;
}

function blocksOf({ blocks }: ControlFlow, index: number): [number, FlowBlock][] {
  return [...blocks.entries()].filter(([, block]) => block.function === index);
}

function textOf(
  instructions: readonly Instruction[],
  { start, end, slot }: FlowBlock,
  options: GraphOptions,
): string[] {
  let at = slot;
  return instructions.slice(start, end).map((i) => {
    const line = `${at}: ${printInstruction(i, { ...options, opcodes: false })}`;
    at += i.kind === 'ld_imm64' ? 2 : 1;
    return line;
  });
}

/** From the first block of a function to the first block of each function that it calls. */
function callsOf({ functions, blocks }: ControlFlow): [number, number][] {
  const first = functions.map(({ start }) => blocks.findIndex((block) => block.start === start));
  return functions.flatMap(({ calls }, index) =>
    calls.map((to): [number, number] => [first[index] as number, first[to] as number]),
  );
}

/** Mermaid reads `#` and a number as a character. */
function entities(text: string): string {
  return text.replaceAll(/[#"<>&|\\]/g, (character) => `#${character.charCodeAt(0)};`);
}
