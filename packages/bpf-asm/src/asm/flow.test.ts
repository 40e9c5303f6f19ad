import { expect, it } from 'vitest';
import { r0, r1 } from '../isa/index.ts';
import { callLocal, exit, ja, jeq, landing, lddw, ldFunction, mov64, reachable, slotMap } from './index.ts';

const program = [jeq(r1, 0, 2), lddw(r0, 1), ldFunction(r0, 3), ja(-4), callLocal(7), exit()];
const slots = slotMap(program);

it('numbers the slots, two for a 64-bit immediate load', () => {
  expect([...slots.slotOf]).toEqual([0, 1, 3, 5, 6, 7, 8]);
  expect([...slots.indexOf]).toEqual([0, 1, -1, 2, -1, 3, 4, 5]);
});

it('says where targets land', () => {
  expect(program.map((_, index) => landing(program, slots, index))).toEqual([
    2,
    undefined,
    5,
    'middle',
    'outside',
    undefined,
  ]);
});

it('reaches through jumps, calls and fall-through, and not past an exit', () => {
  const code = [jeq(r1, 0, 1), exit(), ja(1), mov64(r0, 0), callLocal(1), exit(), exit()];
  const map = slotMap(code);
  const land = (index: number): number => landing(code, map, index) as number;
  expect([...reachable(code.length, (i) => code[i] as (typeof code)[number], land)]).toEqual([1, 1, 1, 0, 1, 1, 1]);
});
