import { expect, test } from 'vitest';
import { FdTable } from './fd.ts';

function tableOf(): { table: FdTable; closed: number[] } {
  const closed: number[] = [];
  return { table: new FdTable((fd) => closed.push(fd), true), closed };
}

test('an owner closes once, and has no number after', () => {
  const { table, closed } = tableOf();
  const fd = table.own(7, 'map a');
  expect(fd.number).toBe(7);
  fd.close();
  fd.close();
  fd[Symbol.dispose]();
  expect(closed).toEqual([7]);
  expect(fd.closed).toBe(true);
  expect(() => fd.number).toThrow(/map a is closed/);
});

test('released descriptors stay open', () => {
  const { table, closed } = tableOf();
  expect(table.own(7, 'map a').release()).toBe(7);
  expect(closed).toEqual([]);
  expect(table.open()).toEqual([]);
});

test('what is open is told with the place that opened it', () => {
  const { table } = tableOf();
  table.own(9, 'link b');
  expect(table.open()).toMatchObject([
    { fd: 9, what: 'link b', stack: expect.stringContaining('fd.test.ts') as string },
  ]);
});

test('a number that has an owner is not owned twice', () => {
  const { table } = tableOf();
  table.own(7, 'map a');
  expect(() => table.own(7, 'map b')).toThrow(/fd 7 \(map b\) already belongs to map a/);
});
