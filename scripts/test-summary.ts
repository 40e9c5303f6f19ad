/**
 * The last lines of .ci/run: vitest's own result once more, and the counts alone on a line.
 */
import { readFileSync } from 'node:fs';

/** What is used of the file that vitest's JSON reporter writes. */
export interface VitestReport {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** How many tests ended how. A file that could not even be loaded counts as one failed test. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts the tests of a report. */
export function countTests(report: VitestReport): Counts {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { status, assertionResults } of report.testResults) {
    const failures = assertionResults.filter((result) => result.status === 'failed').length;
    const passes = assertionResults.filter((result) => result.status === 'passed').length;
    passed += passes;
    skipped += assertionResults.length - passes - failures;
    failed += failures === 0 && status === 'failed' ? 1 : failures;
  }
  return { passed, failed, skipped };
}

/** The names of what failed and of what was skipped, one line each. */
export function notable(report: VitestReport): string[] {
  return report.testResults.flatMap(({ name, status, assertionResults }) => {
    const rest = assertionResults.filter((result) => result.status !== 'passed');
    const lines = rest.map((result) => ` ${result.status}: ${result.fullName}`);
    return status === 'failed' && rest.length === 0 ? [` failed: ${name}`] : lines;
  });
}

/** The report as text; a file that is absent or empty is a run that broke down before it could count. */
export function readReport(path: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as VitestReport;
  } catch {
    return undefined;
  }
}

function main(): void {
  const report = readReport(process.argv[2] ?? '');
  const { passed, failed, skipped } = report === undefined ? { passed: 0, failed: 1, skipped: 0 } : countTests(report);
  for (const line of report === undefined ? [' vitest wrote no report'] : notable(report)) console.log(line);
  const files = report?.testResults ?? [];
  const passedFiles = files.filter(({ status }) => status === 'passed').length;
  console.log(` Test Files  ${passedFiles} passed | ${files.length - passedFiles} failed (${files.length})`);
  console.log(`      Tests  ${passed} passed | ${failed} failed | ${skipped} skipped (${passed + failed + skipped})`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && report?.success === true ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) main();
