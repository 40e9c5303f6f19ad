/** What the doctor says of a node of a test. */
import type { Sys } from 'netlink-tc';
import type { Lab } from '../../../test/support/lab.ts';
import { examine, type ExamineOptions, type Finding, type Severity } from '../src/doctor/index.ts';
import { statePath } from './state.ts';

/** Looks at the node of a lab, without the self-test; with no state unless `directory` names one. */
export function diagnose(sys: Sys, lab: Lab, options: ExamineOptions = {}): Promise<readonly Finding[]> {
  return examine({
    sys,
    host: { path: lab.node.path },
    directory: options.directory ?? statePath(sys),
    selfTest: false,
    ...options,
  });
}

/** The findings of a code. */
export function ofCode(findings: readonly Finding[], code: string): Finding[] {
  return findings.filter((finding) => finding.code === code);
}

/** Codes of a severity, each once; of another area than the machine's if `area` begins with one of these. */
export function codesOf(
  findings: readonly Finding[],
  severity: Severity,
  ...areas: readonly Finding['area'][]
): string[] {
  const its = findings.filter(
    (each) => each.severity === severity && (areas.length === 0 || areas.includes(each.area)),
  );
  return [...new Set(its.map(({ code }) => code))];
}
