import { expect, it } from 'vitest';
import { built, changeCode } from '../../../test/ir-change.ts';
import { compile, type FunctionBuilder, type IrValue } from '../index.ts';
import { print } from '../../text/index.ts';
import type { JumpOp } from '../../isa/index.ts';
import { dropRedundantSettings } from './redundant-settings.ts';
import { layOut } from './layout.ts';
import { shareTails } from './tails.ts';
import { shareVerdicts } from './verdicts.ts';

function leaveIf(b: FunctionBuilder, compare: JumpOp, left: IrValue, right: number, verdict: number): void {
  const [leave, stay] = [b.block(), b.block()];
  b.branch(compare, left, b.constant(right), leave, stay, { unlikely: 'yes' });
  b.enter(leave);
  b.return(b.constant(verdict));
  b.enter(stay);
}

it('shares equal ends of blocks', () => {
  const text = changeCode((b) => {
    const [yes, no] = [b.block(), b.block()];
    leaveIf(b, 'jgt', b.param(1), 9, -1);
    b.branch('jeq', b.param(1), b.constant(1), yes, no);
    b.enter(yes);
    b.store('u32', b.param(0), 0, b.constant(1), 'map');
    b.store('u32', b.param(0), 4, b.constant(2), 'map');
    b.return(b.constant(-1));
    b.enter(no);
    b.store('u32', b.param(0), 4, b.constant(2), 'map');
    b.return(b.constant(-1));
  }, shareTails);
  expect(text).toMatchInlineSnapshot(`
    "   0: (b5) if r2 <= 0x9 goto pc+2
       1: (b7) r0 = -1
       2: (95) exit
       3: (55) if r2 != 0x1 goto pc+4
       4: (62) *(u32 *)(r1 +0) = 1
       5: (62) *(u32 *)(r1 +4) = 2
       6: (b7) r0 = -1
       7: (95) exit
       8: (62) *(u32 *)(r1 +4) = 2
       9: (b7) r0 = -1
      10: (95) exit
    -->
       0: (b5) if r2 <= 0x9 goto pc+2
       1: (b7) r0 = -1
       2: (95) exit
       3: (55) if r2 != 0x1 goto pc+1
       4: (62) *(u32 *)(r1 +0) = 1
       5: (62) *(u32 *)(r1 +4) = 2
       6: (05) goto pc-6
    "
  `);
});

it('does not share a call that is given different maps', () => {
  const text = changeCode((b) => {
    const [yes, no] = [b.block(), b.block()];
    b.branch('jeq', b.param(1), b.constant(1), yes, no);
    for (const [block, map] of [
      [yes, 'pods'],
      [no, 'others'],
    ] as const) {
      b.enter(block);
      b.call({ kind: 'helper', id: 3 }, [b.map(map), b.param(0)]);
      b.return(b.constant(7));
    }
  }, shareTails);
  expect(text.split('-->')[1]).toMatchInlineSnapshot(`
    "
       0: (bf) r3 = r1
       1: (55) if r2 != 0x1 goto pc+5
       2: (18) r1 = map[pods]
       4: (bf) r2 = r3
       5: (85) call bpf_map_delete_elem#3
       6: (05) goto pc+4
       7: (18) r1 = map[others]
       9: (bf) r2 = r3
      10: (85) call bpf_map_delete_elem#3
      11: (b7) r0 = 7
      12: (95) exit
    "
  `);
});

it('sets the verdict once, where r0 is free', () => {
  const text = changeCode(
    (b) => {
      leaveIf(b, 'jne', b.load('u32', b.param(0), 0, 'context'), 1, -1);
      leaveIf(b, 'jne', b.load('u32', b.param(0), 4, 'context'), 2, -1);
      b.return(b.constant(2));
    },
    (code) => {
      shareTails(code);
      shareVerdicts(code);
      layOut(code);
    },
  );
  expect(text).toMatchInlineSnapshot(`
    "   0: (61) r2 = *(u32 *)(r1 +0)
       1: (15) if r2 == 0x1 goto pc+2
       2: (b7) r0 = -1
       3: (95) exit
       4: (61) r1 = *(u32 *)(r1 +4)
       5: (15) if r1 == 0x2 goto pc+2
       6: (b7) r0 = -1
       7: (95) exit
       8: (b7) r0 = 2
       9: (95) exit
    -->
       0: (61) r2 = *(u32 *)(r1 +0)
       1: (b7) r0 = -1
       2: (55) if r2 != 0x1 goto pc+3
       3: (61) r1 = *(u32 *)(r1 +4)
       4: (55) if r1 != 0x2 goto pc+1
       5: (b7) r0 = 2
       6: (95) exit
    "
  `);
});

it('leaves with what a comparison has shown', () => {
  const text = changeCode(
    (b) => {
      const found = b.call({ kind: 'helper', id: 1 }, [b.map('pods'), b.param(0)]);
      leaveIf(b, 'jeq', found, 0, 0);
      b.store('u32', found, 0, b.constant(1), 'map');
      b.return(b.constant(1));
    },
    (code) => {
      shareVerdicts(code);
      layOut(code);
    },
  );
  expect(text).toMatchInlineSnapshot(`
    "   0: (bf) r2 = r1
       1: (18) r1 = map[pods]
       3: (85) call bpf_map_lookup_elem#1
       4: (55) if r0 != 0x0 goto pc+2
       5: (b7) r0 = 0
       6: (95) exit
       7: (62) *(u32 *)(r0 +0) = 1
       8: (b7) r0 = 1
       9: (95) exit
    -->
       0: (bf) r2 = r1
       1: (18) r1 = map[pods]
       3: (85) call bpf_map_lookup_elem#1
       4: (15) if r0 == 0x0 goto pc+2
       5: (62) *(u32 *)(r0 +0) = 1
       6: (b7) r0 = 1
       7: (95) exit
    "
  `);
});

it('sets a register before a branch rather than on one side', () => {
  const fn = built((b) => {
    const [yes, no, after] = [b.block(), b.block(), b.block()];
    const slot = b.variable();
    b.branch('jeq', b.load('u32', b.param(0), 60, 'context'), b.constant(15008), yes, no);
    b.enter(yes);
    b.set(slot, b.constant(1));
    b.jump(after);
    b.enter(no);
    b.set(slot, b.constant(2));
    b.jump(after);
    b.enter(after);
    b.store('u32', b.param(1), 0, b.get(slot), 'map');
    b.return(b.constant(0));
  });
  const [before, after] = [false, true].map((optimise) =>
    print(compile({ functions: [fn] }, { optimise }).instructions),
  );
  expect(`${before}-->\n${after}`).toMatchInlineSnapshot(`
    "   0: (61) r1 = *(u32 *)(r1 +60)
       1: (55) if r1 != 0x3aa0 goto pc+2
       2: (b7) r1 = 1
       3: (05) goto pc+1
       4: (b7) r1 = 2
       5: (63) *(u32 *)(r2 +0) = r1
       6: (b7) r0 = 0
       7: (95) exit
    -->
       0: (61) r3 = *(u32 *)(r1 +60)
       1: (b7) r1 = 2
       2: (55) if r3 != 0x3aa0 goto pc+1
       3: (b7) r1 = 1
       4: (63) *(u32 *)(r2 +0) = r1
       5: (b7) r0 = 0
       6: (95) exit
    "
  `);
});

it('puts failures last, and falls through to what is likely', () => {
  const text = changeCode((b) => {
    leaveIf(b, 'jgt', b.load('u32', b.param(0), 0, 'context'), 64, 2);
    b.store('u32', b.param(1), 0, b.constant(7), 'map');
    b.return(b.constant(0));
  }, layOut);
  expect(text).toMatchInlineSnapshot(`
    "   0: (61) r1 = *(u32 *)(r1 +0)
       1: (b5) if r1 <= 0x40 goto pc+2
       2: (b7) r0 = 2
       3: (95) exit
       4: (62) *(u32 *)(r2 +0) = 7
       5: (b7) r0 = 0
       6: (95) exit
    -->
       0: (61) r1 = *(u32 *)(r1 +0)
       1: (25) if r1 > 0x40 goto pc+3
       2: (62) *(u32 *)(r2 +0) = 7
       3: (b7) r0 = 0
       4: (95) exit
       5: (b7) r0 = 2
       6: (95) exit
    "
  `);
});

it('brings nothing to where it is already', () => {
  const text = changeCode((b) => {
    b.call({ kind: 'helper', id: 9 }, [b.param(0), b.param(1)]);
    const found = b.call({ kind: 'helper', id: 1 }, [b.param(0), b.param(1)]);
    leaveIf(b, 'jeq', found, 0, 0);
    b.return(b.load('u32', found, 0, 'map'));
  }, dropRedundantSettings);
  expect(text).toMatchInlineSnapshot(`
    "   0: (bf) r7 = r1
       1: (bf) r6 = r2
       2: (bf) r1 = r7
       3: (bf) r2 = r6
       4: (85) call bpf_skb_store_bytes#9
       5: (bf) r1 = r7
       6: (bf) r2 = r6
       7: (85) call bpf_map_lookup_elem#1
       8: (55) if r0 != 0x0 goto pc+2
       9: (b7) r0 = 0
      10: (95) exit
      11: (61) r0 = *(u32 *)(r0 +0)
      12: (95) exit
    -->
       0: (bf) r7 = r1
       1: (bf) r6 = r2
       2: (85) call bpf_skb_store_bytes#9
       3: (bf) r1 = r7
       4: (bf) r2 = r6
       5: (85) call bpf_map_lookup_elem#1
       6: (55) if r0 != 0x0 goto pc+1
       7: (95) exit
       8: (61) r0 = *(u32 *)(r0 +0)
       9: (95) exit
    "
  `);
});

it('keeps a copy where another path leads by that brings something else', () => {
  const text = changeCode((b) => {
    const [yes, after] = [b.block(), b.block()];
    b.branch('jeq', b.param(1), b.constant(1), yes, after);
    b.enter(yes);
    b.call({ kind: 'helper', id: 7 }, []);
    b.jump(after);
    b.enter(after);
    b.return(b.call({ kind: 'helper', id: 9 }, [b.param(0)]));
  }, dropRedundantSettings);
  const [before, after] = text.split('-->\n');
  expect(after).toBe(before);
});
