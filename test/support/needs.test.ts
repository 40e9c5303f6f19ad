import { describe, expect, test } from 'vitest';
import { describeWith, file, outcome, root, tool, type Need } from './needs.ts';

let ran = false;
const met: Need = { name: 'met', missing: () => undefined };
const unmet: Need = { name: 'unmet', missing: () => 'no such thing' };

describe('outcome', () => {
  test('runs where everything is there', () => {
    expect(outcome([met, met], true)).toEqual({ kind: 'run' });
  });

  test('skips with the reason for an ordinary user, fails under CI', () => {
    expect(outcome([met, unmet], false)).toEqual({ kind: 'skip', reason: 'no such thing' });
    expect(outcome([met, unmet], true)).toEqual({ kind: 'fail', reason: 'no such thing' });
  });
});

test('tool and file look at the machine', () => {
  expect(tool('sh').missing()).toBeUndefined();
  expect(tool('no-such-command-here').missing()).toBe('no no-such-command-here');
  expect(file('/proc/self/status').missing()).toBeUndefined();
  expect(file('/no/such/file').missing()).toBe('no /no/such/file');
});

test('root follows the process', () => {
  const expected = process.getuid?.() === 0 ? /^$|^root without CAP_/ : /^not root$/;
  expect(root.missing() ?? '').toMatch(expected);
});

describeWith([met], 'a group whose needs are met', () => {
  test('runs', () => {
    ran = true;
    expect(ran).toBe(true);
  });
});

test('describeWith registered the group', () => {
  expect(ran).toBe(true);
});
