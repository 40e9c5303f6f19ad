export { averageOf } from './sections.ts';
export { problemsOf } from './problems.ts';
export { renderReport } from './report.ts';
export type { Measured, MeasuredProgram, ReportData } from './report-data.ts';
export { describeEntry, nameOf } from './lanes.ts';
export { number, short, span, whole } from './words.ts';
