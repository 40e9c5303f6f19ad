import { expect, test } from 'vitest';
import { Arguments } from './arguments.ts';
import type { CommandSpec } from './command-spec.ts';

const SPEC: CommandSpec = {
  name: 'do',
  summary: 'do it',
  arguments: [
    { name: 'WHAT', summary: 'what' },
    { name: 'MORE', summary: 'more', optional: true, repeat: true },
  ],
  options: [
    { name: 'yes', summary: 'on or off' },
    { name: 'count', value: 'N', summary: 'a number' },
    { name: 'address', value: 'ADDRESS', repeat: true, summary: 'several' },
  ],
  examples: [{ summary: 'do it', line: 'ambient-redirect do it' }],
  run: () => Promise.reject(new Error('it is not run')),
};

test('what was given is found by its name', () => {
  const args = new Arguments(SPEC, { yes: true, count: '7', address: ['a', 'b'] }, ['it', ['x', 'y']]);
  expect([args.flag('yes'), args.has('yes')]).toEqual([true, true]);
  expect([args.text('count'), args.need('count'), args.number('count')]).toEqual(['7', '7', 7]);
  expect(args.all('address')).toEqual(['a', 'b']);
  expect([args.need('WHAT'), args.all('MORE')]).toEqual(['it', ['x', 'y']]);
});

test('what was not given is told as such', () => {
  const args = new Arguments(SPEC, {}, ['it']);
  expect([args.flag('yes'), args.has('yes'), args.has('count')]).toEqual([false, false, false]);
  expect([args.text('count'), args.number('count')]).toEqual([undefined, undefined]);
  expect([args.all('address'), args.all('MORE')]).toEqual([[], []]);
  expect(() => args.need('count')).toThrow('count has neither a value nor a default');
});

test('a name that the command does not have is a fault of the command', () => {
  const args = new Arguments(SPEC, { other: 'x' }, ['it']);
  for (const ask of [() => args.flag('other'), () => args.text('what'), () => args.all('constructor')])
    expect(ask).toThrow('this command has no option or argument');
});
