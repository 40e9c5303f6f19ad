export { examine, wouldWork, type ExamineOptions } from './examine.ts';
export type { AreaName, Finding, Severity } from './finding.ts';
