import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../test/support/temp.ts';
import { countTests, notable, readReport, type VitestReport } from './test-summary.ts';

const report: VitestReport = {
  success: false,
  testResults: [
    {
      name: 'a.test.ts',
      status: 'failed',
      assertionResults: [
        { status: 'passed', fullName: 'a one' },
        { status: 'failed', fullName: 'a two' },
        { status: 'skipped', fullName: 'a three' },
        { status: 'todo', fullName: 'a four' },
      ],
    },
    { name: 'broken.test.ts', status: 'failed', assertionResults: [] },
  ],
};

test('counts tests, and a file that did not load as one failure', () => {
  expect(countTests(report)).toEqual({ passed: 1, failed: 2, skipped: 2 });
});

test('names what did not pass', () => {
  expect(notable(report)).toEqual([' failed: a two', ' skipped: a three', ' todo: a four', ' failed: broken.test.ts']);
});

test('an empty report is no report', () => {
  const path = join(tempDir(), 'report.json');
  writeFileSync(path, '');
  expect(readReport(path)).toBeUndefined();
  expect(readReport(`${path}.absent`)).toBeUndefined();
});
