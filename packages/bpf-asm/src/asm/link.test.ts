import { describe, expect, it } from 'vitest';
import { r0, r1, r2 } from '../isa/index.ts';
import { callLocal, exit, func, ja, jeq, label, lddw, ldFunction, link, mov64, type Item } from './index.ts';

const thrown = (items: readonly Item[], code: string, text: RegExp): void => {
  expect(() => link(items)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(text) as string }));
};
describe('labels', () => {
  it('become numbers of slots, counting two for a 64-bit immediate load', () => {
    const { instructions } = link([jeq(r1, 0, 'out'), lddw(r0, 1), exit(), label('out'), mov64(r0, 0), exit()]);
    expect(instructions[0]).toEqual(jeq(r1, 0, 3));
  });

  it('lead backwards', () => {
    const { instructions } = link([mov64(r0, 8), label('again'), lddw(r2, 1), jeq(r0, 0, 'again'), exit()]);
    expect(instructions[2]).toEqual(jeq(r0, 0, -3));
  });

  it('name the functions that calls and callbacks lead to, and keep the order', () => {
    const { instructions, functions } = link(
      [
        ldFunction(r2, 'callback'),
        callLocal('helper'),
        callLocal(3),
        exit(),
        func('callback'),
        mov64(r0, 0),
        exit(),
        label('helper'),
        mov64(r0, 1),
        exit(),
        mov64(r0, 2),
        exit(),
      ],
      { entry: 'filter' },
    );
    expect(functions).toEqual([
      { name: 'filter', index: 0 },
      { name: 'callback', index: 4 },
      { name: 'helper', index: 6 },
    ]);
    expect(instructions[0]).toEqual(ldFunction(r2, 4));
    expect(instructions[1]).toEqual(callLocal(4));
    expect(instructions[2]).toEqual(callLocal(3));
  });

  it('names a function that only a number leads to', () => {
    expect(link([callLocal(1), exit(), mov64(r0, 0), exit()]).functions).toEqual([
      { name: 'main', index: 0 },
      { name: 'function_2', index: 2 },
    ]);
  });

  it('may be many, the last before the exit', () => {
    expect(link([jeq(r1, 0, 'a'), mov64(r0, 1), label('a'), label('b'), exit()]).instructions[0]).toEqual(
      jeq(r1, 0, 1),
    );
  });

  it('keep the source position of the instruction', () => {
    const source = { file: 'a.ts', line: 1, column: 2 };
    expect(link([{ ...ja('x'), source }, label('x'), exit()]).instructions[0]).toEqual({
      kind: 'ja',
      target: 0,
      source,
    });
  });
});

describe('what linking refuses', () => {
  it('a label that stands twice', () =>
    thrown(
      [label('x'), mov64(r0, 0), label('x'), exit()],
      'ERR_DUPLICATE_LABEL',
      /"x" stands at instructions 0 and 1/,
    ));
  it('a label that is missing, with the one that was meant', () =>
    thrown([ja('Out'), label('out'), exit()], 'ERR_MISSING_LABEL', /no label "Out".*there is "out"/));
  it('a label that is missing, with those there are', () =>
    thrown([ja('x'), label('out'), exit()], 'ERR_MISSING_LABEL', /the labels are "out"/));
  it('a label that is missing where there are none', () =>
    thrown([ja('x')], 'ERR_MISSING_LABEL', /there are no labels/));
  it('a label at the end', () =>
    thrown([exit(), label('end')], 'ERR_MISSING_LABEL', /"end" has no instruction after it/));
  it('a label that no path leads to', () =>
    thrown([exit(), label('dead'), mov64(r0, 0), exit()], 'ERR_UNREACHABLE', /no path leads to the label "dead"/));
  it('a function that nothing calls', () =>
    thrown([exit(), func('dead'), exit()], 'ERR_UNREACHABLE', /nothing calls the function "dead"/));
  it('a number that leads outside', () =>
    thrown([ja(1), exit()], 'ERR_OUT_OF_RANGE', /ja: the target 1 leads outside the program/));
  it('a number that leads into a wide load', () =>
    thrown([jeq(r1, 0, 1), lddw(r0, 0), exit()], 'ERR_OUT_OF_RANGE', /into the middle/));
});
