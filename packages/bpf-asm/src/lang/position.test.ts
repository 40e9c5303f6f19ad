import { describe, expect, test } from 'vitest';
import { schedCls } from './index.ts';
import { isOwnFile, locator, parseFrame } from './position.ts';

test.each([
  ['    at inner (/srv/x/app.ts:4:10)', { file: '/srv/x/app.ts', line: 4, column: 10 }],
  ['    at /srv/x/app.ts:12:20', { file: '/srv/x/app.ts', line: 12, column: 20 }],
  ['    at async file:///srv/x/my%20app.mjs:1:2', { file: '/srv/x/my app.mjs', line: 1, column: 2 }],
  ['    at Object.<anonymous> (file:///srv/x/app.ts:7:6)', { file: '/srv/x/app.ts', line: 7, column: 6 }],
  ['    at C:\\me\\app.ts:7:6', { file: 'C:\\me\\app.ts', line: 7, column: 6 }],
  ['    at new Promise (<anonymous>)', undefined],
  ['Error: position', undefined],
  ['    at native', undefined],
])('reads %s', (line, frame) => {
  expect(parseFrame(line)).toEqual(frame);
});

describe('the files that are not the author’s', () => {
  test('as sources: the language but for its tests and pieces, and the compiler', () => {
    const own = isOwnFile('/x/src/lang/position.ts');
    expect(['/x/src/lang/value.ts', '/x/src/lang/programs/xdp.ts', '/x/src/compile/compile.ts'].map(own)).toEqual([
      true,
      true,
      true,
    ]);
    expect(
      ['/x/src/lang/value.test.ts', '/x/src/lang/pieces/steer.ts', '/x/src/asm/link.ts', '/y/app.ts'].map(own),
    ).toEqual([false, false, false, false]);
  });

  test('as built: the whole of dist', () => {
    const own = isOwnFile('/x/node_modules/bpf-asm/dist/chunk-AB.js');
    expect([own('/x/node_modules/bpf-asm/dist/lang/index.js'), own('/x/app.js')]).toEqual([true, false]);
  });

  test('as bundled: the bundle', () => {
    const own = isOwnFile('/x/bundle.js');
    expect([own('/x/bundle.js'), own('/x/other.js')]).toEqual([true, false]);
  });
});

test('finds the line that is being run, from any depth, and leaves the engine as it was', () => {
  const limit = Error.stackTraceLimit;
  const locate = locator();
  const deep = (n: number): ReturnType<typeof locate> => (n === 0 ? locate() : deep(n - 1));
  expect(deep(30)?.file).toMatch(/position\.test\.ts$/);
  expect(Error.stackTraceLimit).toBe(limit);
});

test('instructions know the lines that asked for them', () => {
  const build = (positions: boolean): readonly (number | undefined)[] =>
    schedCls('lines', { licence: 'Apache-2.0', positions }, ({ skb, ret }) => {
      const length = skb.len;
      return ret(
        length,
      );
    }).instructions.map(({ source }) => source?.line); // prettier-ignore
  const [load, exit] = build(true);
  expect((exit ?? 0) - (load ?? 0)).toBe(1);
  expect(build(false)).toEqual([undefined, undefined]);
});
