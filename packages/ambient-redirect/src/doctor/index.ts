export { examine, wouldWork, type ExamineOptions } from './examine.ts';
export type { Finding, Severity } from './finding.ts';
