import { describe, expect, it } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { PIECES, type Piece } from '../../test/ir-pieces.ts';
import { createMap, loadProgram, type KernelMap } from '../../test/kernel.ts';
import { lint, resolveMaps, type CpuVersion } from '../asm/index.ts';
import { encode } from '../isa/index.ts';
import { compile } from './index.ts';

describe.each(PIECES)('$name', ({ build, clang }) => {
  it('takes no more instructions than clang makes', () => {
    const { instructions } = compile({ functions: [build()] });
    expect(lint(instructions)).toEqual([]);
    expect(instructions.length).toBeLessThanOrEqual(clang);
  });

  it('is longer for reading', () => {
    const [read, run] = [false, true].map((optimise) => compile({ functions: [build()] }, { optimise }).instructions);
    expect(lint(read ?? [])).toEqual([]);
    expect(read?.length).toBeGreaterThan(run?.length ?? 0);
  });
});

/** Numbers of `enum bpf_prog_type` and `enum bpf_attach_type`. */
const TYPES = {
  sched_cls: { type: 3 },
  xdp: { type: 6 },
  sk_lookup: { type: 30, attachType: 36 },
} as const;

function maps(): Readonly<Record<string, KernelMap>> {
  return {
    pods: createMap(1, 4, 4, 16),
    counters: createMap(6, 4, 8, 256),
    deny: createMap(11, 8, 4, 16, 1),
    listeners: createMap(15, 4, 8, 4),
    pods6: createMap(1, 16, 4, 16),
  };
}

/** What the verifier says of a piece; nothing where it takes it. */
function refusal({ build, type }: Piece, cpu: CpuVersion, optimise: boolean): string | undefined {
  const made = maps();
  const { instructions } = compile({ functions: [build()] }, { cpu, optimise });
  const program = loadProgram(encode(resolveMaps(instructions, (name) => made[name]?.fd)), TYPES[type]);
  program.close();
  for (const map of Object.values(made)) map.close();
  return program.fd < 0 ? program.log : undefined;
}

describeWith([root], 'the verifier', () => {
  it.each(PIECES)('takes: $name', (piece) => {
    for (const cpu of [2, 3, 4] as const) {
      for (const optimise of [false, true]) expect(refusal(piece, cpu, optimise)).toBeUndefined();
    }
  });
});
