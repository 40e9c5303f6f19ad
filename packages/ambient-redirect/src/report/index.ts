export { problemsOf } from './problems.ts';
export { renderReport } from './report.ts';
export type { Measured } from './report-data.ts';
export { averageOf } from './sections.ts';
export { number, span, whole } from './words.ts';
