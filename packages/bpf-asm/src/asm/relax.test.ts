import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode, r1, r2, slotsOf, type Instruction } from '../isa/index.ts';
import { call, exit, gotol, ja, jeq, jset, label, link, mayGoto, mov64, type CpuVersion, type Item } from './index.ts';

const nops = (count: number): Item[] => Array.from({ length: count }, () => mov64('r0', 0));

/** Where every jump leads, by the identity of the marked instruction it ends at, trampolines followed. */
function follow(instructions: readonly Instruction[], from: number): Instruction {
  const slots: number[] = [];
  instructions.forEach((i, index) => slots.push(index, ...(slotsOf(i) === 2 ? [-1] : [])));
  const slotOf = (index: number): number => slots.indexOf(index);
  let index = from;
  for (let hops = 0; hops < 1000; hops++) {
    const i = instructions[index] as Instruction;
    if (!('target' in i)) return i;
    index = slots[slotOf(index) + 1 + i.target] as number;
  }
  throw new Error('a jump that leads to itself');
}

describe('a jump beyond 16 bits', () => {
  const far = 40_000;

  it('becomes gotol where the code may use it, by the inverse condition', () => {
    const { instructions } = link([jeq(r1, 0, 'out'), ...nops(far), label('out'), exit()], { cpu: 4 });
    expect(instructions[0]).toEqual({ kind: 'jump', op: 'jne', width: 64, dst: 'r1', src: 0, target: 1 });
    expect(instructions[1]).toEqual(gotol(far));
  });

  it('goes around gotol where the condition has no inverse', () => {
    const { instructions } = link([jset(r1, 1, 'out'), ...nops(far), label('out'), exit()], { cpu: 4 });
    expect(instructions.slice(0, 3)).toEqual([jset(r1, 1, 1), ja(1), gotol(far)]);
    const loop = link([label('top'), ...nops(far), mayGoto('top'), exit()], { cpu: 4 });
    expect(loop.instructions.slice(-4)).toEqual([mayGoto(1), ja(1), gotol(-far - 3), exit()]);
  });

  it('goes by trampolines before, forwards and back', () => {
    const { instructions } = link([
      label('top'),
      jeq(r1, 0, 'out'),
      ...nops(far),
      jeq(r1, 1, 'top'),
      label('out'),
      exit(),
    ]);
    const trampolines = instructions.filter((i) => i.kind === 'ja');
    expect(trampolines).toHaveLength(4); // one each way, each with a jump around it
    expect(follow(instructions, 0)).toEqual(exit());
    encode(instructions);
  });

  it('shares the trampoline of other jumps to the same target, and needs no way around after an exit', () => {
    const many: Item[] = Array.from({ length: 100 }, () => jeq(r1, 0, 'out'));
    const { instructions } = link([
      ...many,
      ...nops(27_800),
      jeq(r2, 0, 'next'),
      exit(),
      label('next'),
      ...nops(30_000),
      label('out'),
      exit(),
    ]);
    expect(instructions.filter((i) => i.kind === 'ja')).toHaveLength(1);
    for (let i = 0; i < 100; i += 33) expect(follow(instructions, i)).toEqual(exit());
  });

  it.each([
    ['forwards', ['end']],
    ['back', ['top']],
    ['both ways', ['top', 'end']],
  ])('needs few trampolines where many jumps %s lead to one place', (_, targets) => {
    const jumps = Array.from({ length: 60_000 }, (__, i) => jeq(r1, 0, targets[i % targets.length] as string));
    const { instructions } = link([label('top'), ...jumps, jeq(r1, 1, 'top'), label('end'), exit()]);
    expect(instructions.length - 60_002).toBeLessThanOrEqual(12);
    encode(instructions);
  });

  it('is an error where trampolines have no room', () => {
    const jumps = Array.from({ length: 33_000 }, (_, i) => jeq(r1, 0, `l${i}`));
    const items: Item[] = [...jumps, ...nops(33_000)];
    for (let i = 0; i < 33_000; i++) items.push(label(`l${i}`), call(1));
    expect(() => link([...items, exit()])).toThrow(
      expect.objectContaining({
        code: 'ERR_OUT_OF_RANGE',
        message: expect.stringMatching(/no room for trampolines/) as string,
      }),
    );
    expect(() => encode(link([...items, exit()], { cpu: 4 }).instructions)).not.toThrow();
  }, 60_000);

  it('ends where it would have ended, whatever the distances', () => {
    const programs = fc.record({
      blocks: fc.array(fc.integer({ min: 0, max: 25_000 }), { minLength: 2, maxLength: 6 }),
      jumps: fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 1, maxLength: 8 }),
      cpu: fc.constantFrom<CpuVersion>(3, 4),
    });
    fc.assert(
      fc.property(programs, ({ blocks, jumps, cpu }) => {
        const items: Item[] = [];
        blocks.forEach((size, block) => {
          items.push(label(`b${block}`), call(block));
          for (const [from, to] of jumps) if (from === block) items.push(jeq(r1, to, `b${to % blocks.length}`));
          items.push(...nops(size));
        });
        const { instructions } = link([...items, exit()], { cpu });
        expect(decode(encode(instructions))).toEqual(instructions);
        const expected = jumps.filter(([from]) => from < blocks.length).length;
        let seen = 0;
        instructions.forEach((i, index) => {
          if (i.kind !== 'jump') return;
          seen++;
          const inverted = i.op === 'jne';
          const end = follow(instructions, inverted ? index + 1 : index);
          expect(end).toEqual(call((i.src as number) % blocks.length));
        });
        expect(seen).toBe(expected);
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});
