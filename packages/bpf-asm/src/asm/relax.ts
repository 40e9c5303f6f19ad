import { BpfAsmError } from '../error.ts';
import { slotsOf, type Instruction, type Jump, type JumpOp, type Target } from '../isa/index.ts';
import { fallsThrough, jumpTarget } from './effects.ts';

/** An instruction while it is placed: its target is a node, so that it stays right when instructions are put between. */
export interface Node {
  readonly instruction: Instruction<Target>;
  /** Where its jump, call or function pointer leads; its own target field has no meaning then. */
  to: Node | undefined;
  /** Slot at which it stands, once placed. */
  slot: number;
}

const REACH_FORWARD = 0x7fff;
const REACH_BACK = -0x8000;
/** How far a trampoline is put: less than a jump reaches, so that trampolines put between later do not break it at once. */
const STRIDE = 28_000;
const INVERSE: Partial<Record<JumpOp, JumpOp>> = {
  jeq: 'jne',
  jne: 'jeq',
  jgt: 'jle',
  jle: 'jgt',
  jge: 'jlt',
  jlt: 'jge',
  jsgt: 'jsle',
  jsle: 'jsgt',
  jsge: 'jslt',
  jslt: 'jsge',
};

/**
 * Places nodes, and relaxes jumps that do not reach their target in 16 bits. With `gotol`, an unconditional jump becomes one, and a conditional jump
 * skips one by its inverse. Without, a jump goes by trampolines: unconditional jumps put on the way, which jumps to the same target share.
 *
 * @param nodes - in the order of their places; not changed, except for `to` and `slot` of each.
 * @param gotol - whether the code may use `gotol`.
 * @returns the nodes with those that were put between.
 * @throws BpfAsmError `ERR_OUT_OF_RANGE` when there is no room for the trampolines on the way.
 */
export function relax(nodes: readonly Node[], gotol: boolean): Node[] {
  let placed = [...nodes];
  const stops: Stops = new Map();
  // Trampolines that need more room than that crowd each other out: there would be no end to it.
  const most = 4 * place(placed) + 0x1_0000;
  for (let slots = 0; ; slots = place(placed)) {
    const far = placed.filter(isFar);
    if (far.length === 0) return placed;
    if (!gotol && slots > most) throw noRoom(far[0] as Node, placed);
    placed = gotol ? withGotol(placed, new Set(far)) : withTrampolines(placed, far, stops);
  }
}

function place(nodes: readonly Node[]): number {
  let slot = 0;
  for (const node of nodes) {
    node.slot = slot;
    slot += slotsOf(node.instruction);
  }
  return slot;
}

function isFar({ instruction, to, slot }: Node): boolean {
  if (to === undefined || instruction.kind === 'gotol' || jumpTarget(instruction) === undefined) return false;
  const delta = to.slot - slot - 1;
  return delta > REACH_FORWARD || delta < REACH_BACK;
}

const node = (instruction: Instruction<Target>, to: Node | undefined): Node => ({ instruction, to, slot: 0 });

/** Every node becomes the first of its replacement, so that jumps to it still lead there. */
function withGotol(nodes: readonly Node[], far: ReadonlySet<Node>): Node[] {
  const placed: Node[] = [];
  nodes.forEach((jump, index) => {
    if (!far.has(jump)) {
      placed.push(jump);
      return;
    }
    const { instruction, to } = jump;
    const source = instruction.source === undefined ? {} : { source: instruction.source };
    const long = node({ kind: 'gotol', target: 0, ...source }, to);
    if (instruction.kind === 'ja') {
      placed.push(replace(jump, long));
      return;
    }
    const after = nodes[index + 1];
    const inverse = instruction.kind === 'jump' ? INVERSE[instruction.op] : undefined;
    if (inverse !== undefined && after !== undefined) {
      placed.push(replace(jump, node({ ...(instruction as Jump<Target>), op: inverse }, after)), long);
      return;
    }
    // No inverse (jset, may_goto): the jump leads to the long one, and what falls through goes around it.
    const around = after === undefined ? [] : [node({ kind: 'ja', target: 0, ...source }, after)];
    jump.to = long;
    placed.push(jump, ...around, long);
  });
  return placed;
}

/** Puts what `by` is in the place of `old`, keeping the identity that other jumps lead to. */
function replace(old: Node, by: Node): Node {
  return Object.assign(old, { instruction: by.instruction, to: by.to });
}

/** Trampolines by where they lead. */
type Stops = Map<Node, Node[]>;

/**
 * Sends each far jump by a trampoline, of those that are there already if one is in reach. The jump that is farthest from its target
 * comes first: its trampoline serves those behind it, and what the next round finds, for a trampoline makes way for itself.
 */
function withTrampolines(nodes: readonly Node[], far: readonly Node[], stops: Stops): Node[] {
  const before = new Map<number, Node[]>();
  const goesForward = (jump: Node): boolean => (jump.to as Node).slot > jump.slot;
  const farthestFirst = [...far.filter(goesForward), ...far.filter((jump) => !goesForward(jump)).toReversed()];
  for (const jump of farthestFirst) {
    const to = jump.to as Node;
    const there = stops.get(to) ?? [];
    const forward = goesForward(jump);
    const reached = there.find(({ slot }) => {
      const [done, left] = forward ? [slot - jump.slot, to.slot - slot] : [jump.slot - slot, slot - to.slot];
      return done > 0 && done <= STRIDE && left > 0;
    });
    if (reached !== undefined) {
      jump.to = reached;
      continue;
    }
    const index = indexAt(nodes, jump.slot + (forward ? STRIDE : -STRIDE));
    const stop: Node = { ...node({ kind: 'ja', target: 0 }, to), slot: (nodes[index] as Node).slot };
    const list = before.get(index) ?? [];
    list.push(stop);
    before.set(index, list);
    there.push(stop);
    stops.set(to, there);
    jump.to = stop;
  }
  const placed: Node[] = [];
  nodes.forEach((next, index) => {
    const here = before.get(index);
    if (here !== undefined) {
      const previous = nodes[index - 1];
      if (previous === undefined || fallsThrough(previous.instruction))
        placed.push(node({ kind: 'ja', target: 0 }, next));
      placed.push(...here);
    }
    placed.push(next);
  });
  return placed;
}

/** Index of the node nearest to a slot after which nothing falls through, so that no jump around is needed; else of the one there. */
function indexAt(nodes: readonly Node[], slot: number): number {
  let low = 0;
  let high = nodes.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((nodes[middle] as Node).slot < slot) low = middle + 1;
    else high = middle;
  }
  for (let back = 0; back < 256 && low - back > 0; back++) {
    const previous = nodes[low - back - 1] as Node;
    if (!fallsThrough(previous.instruction)) return low - back;
  }
  return low;
}

function noRoom(jump: Node, placed: readonly Node[]): BpfAsmError {
  return new BpfAsmError(
    'ERR_OUT_OF_RANGE',
    `${jump.instruction.kind}: the jump does not reach its target, and there is no room for trampolines`,
    {
      instruction: placed.indexOf(jump),
      field: 'target',
      ...(jump.instruction.source === undefined ? {} : { source: jump.instruction.source }),
      hint: 'allow cpu v4 (gotol), or split the program',
    },
  );
}
