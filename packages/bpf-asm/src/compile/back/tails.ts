import { finished, type MachineBlock, type MachineFunction, type MachineInstruction } from './machine.ts';
import { retarget, tidy } from './machine-graph.ts';

/**
 * Shares equal ends of blocks: where two blocks end with the same instructions and then leave the function, or go to the same place, they go to one
 * copy of these. Blocks that are equal as a whole become one.
 */
export function shareTails(fn: MachineFunction): void {
  const texts: Texts = new WeakMap();
  do tidy(fn);
  while (mergeEqual(fn, texts) || sharePair(fn, texts));
}

/** How a block ends, as text: blocks with the same text can share their ends. */
function endOf({ terminator }: MachineBlock): string {
  if (terminator.kind === 'exit') return 'exit';
  if (terminator.kind === 'jump') return `jump ${terminator.to.id}`;
  const { op, width, a, b, immediate, yes, no } = terminator;
  return `${op} ${width} ${a} ${b} ${immediate} ${yes.id} ${no.id}`;
}

function wholeOf(block: MachineBlock, texts: Texts): string {
  return [...textsOf(block, texts), endOf(block)].join('\n');
}

/**
 * The instructions of a block as text. A call's has the map that it is given: the kernel inlines a look-up, and jumps straight on a tail call, only
 * where a call always gets the same map, so that calls with different ones are not to be shared.
 */
function textsOf({ instructions }: MachineBlock, texts: Texts): string[] {
  let map = '';
  return instructions.map((m) => {
    const text = textOf(m, texts);
    const { instruction: i } = m;
    if (i.kind === 'ld_imm64' && i.value.type === 'map') map = text;
    if (i.kind !== 'call') return text;
    const call = `${text} ${map}`;
    map = '';
    return call;
  });
}

/** Texts that were made: instructions are not changed once their code is shared, only moved. */
type Texts = WeakMap<MachineInstruction, string>;

/** An instruction as text, without its position. */
function textOf(m: MachineInstruction, texts: Texts): string {
  const known = texts.get(m);
  if (known !== undefined) return known;
  const text = makeText(m);
  texts.set(m, text);
  return text;
}

function makeText(m: MachineInstruction): string {
  const { source: _source, ...fields } = finished(m);
  return JSON.stringify(fields, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}

function mergeEqual(fn: MachineFunction, texts: Texts): boolean {
  const firsts = new Map<string, MachineBlock>();
  const merged = new Map<MachineBlock, MachineBlock>();
  for (const block of fn.blocks) {
    const text = wholeOf(block, texts);
    const first = firsts.get(text);
    // The entry stays where it is.
    if (first === undefined) firsts.set(text, block);
    else merged.set(block, first);
  }
  if (merged.size === 0) return false;
  for (const block of fn.blocks) retarget(block.terminator, (to) => merged.get(to) ?? to);
  tidy(fn);
  return true;
}

/** Lets the two blocks with the longest equal end share it. */
function sharePair(fn: MachineFunction, made: Texts): boolean {
  const byEnd = new Map<string, { block: MachineBlock; texts: string[] }[]>();
  for (const block of fn.blocks) {
    const end = endOf(block);
    if (block.instructions.length === 0) continue;
    const texts = textsOf(block, made);
    const key = `${end} ${texts.at(-1)}`;
    const alike = byEnd.get(key) ?? [];
    alike.push({ block, texts });
    byEnd.set(key, alike);
  }
  let best: { a: MachineBlock; b: MachineBlock; length: number } | undefined;
  for (const alike of byEnd.values()) {
    for (let i = 0; i < alike.length; i++) {
      for (let j = i + 1; j < alike.length; j++) {
        const [a, b] = [alike[i] as (typeof alike)[number], alike[j] as (typeof alike)[number]];
        const length = commonEnd(a.texts, b.texts);
        if (length > (best?.length ?? 0)) best = { a: a.block, b: b.block, length };
      }
    }
  }
  if (best === undefined) return false;
  share(fn, best.a, best.b, best.length);
  return true;
}

function commonEnd(a: readonly string[], b: readonly string[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length)) length++;
  return length;
}

function share(fn: MachineFunction, a: MachineBlock, b: MachineBlock, length: number): void {
  // Where one of them is nothing but the common end, it is the copy that the other goes to; never the entry.
  const whole = [b, a].find((block) => block.instructions.length === length && block !== fn.blocks[0]);
  const source = a.terminator.source;
  if (whole !== undefined) {
    const other = whole === a ? b : a;
    other.instructions.splice(other.instructions.length - length);
    other.terminator = { kind: 'jump', to: whole, source };
    return;
  }
  const tail: MachineBlock = {
    id: Math.max(...fn.blocks.map((block) => block.id)) + 1,
    instructions: a.instructions.slice(a.instructions.length - length),
    terminator: a.terminator,
  };
  for (const block of [a, b]) {
    block.instructions.splice(block.instructions.length - length);
    block.terminator = { kind: 'jump', to: tail, source: block.terminator.source };
  }
  fn.blocks.push(tail);
}
