import { examine, wouldWork, type ExamineOptions, type Finding, type Severity } from '../../doctor/index.ts';
import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import type { Output, Paint } from '../output.ts';
import { nodeOf } from './node.ts';

const MARKS: Readonly<Record<Severity, readonly [string, Paint]>> = {
  ok: ['✔', 'green'],
  info: ['·', 'cyan'],
  warning: ['!', 'yellow'],
  error: ['✖', 'red'],
};

/** `ambient-redirect doctor`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const findings = await examine({
    ...nodeOf(args),
    attach: args.text('attach') as ExamineOptions['attach'],
    steer: args.text('steer') as ExamineOptions['steer'],
    interfaces: args.all('interface'),
    selfTest: !args.flag('skip-self-test'),
    signal: io.signal,
  });
  const ok = wouldWork(findings);
  output.result({ ok, findings }, () => formatFindings(findings, output));
  if (ok) return EXIT.ok;
  const isRefused = findings.some(({ code }) => code === 'privileges-missing' || code === 'privileges-not-looked-at');
  return isRefused ? EXIT.notPermitted : EXIT.failed;
};

function formatFindings(findings: readonly Finding[], output: Output): string {
  const told = findings.filter(({ severity }) => !output.quiet || severity === 'warning' || severity === 'error');
  const areas = [...new Set(told.map(({ area }) => area))];
  const blocks = areas.map((area) => {
    const its = told.filter((finding) => finding.area === area);
    return [output.paint('bold', area), ...its.map((finding) => formatFinding(finding, output))].join('\n');
  });
  return [...blocks, verdict(findings, output)].join('\n\n');
}

function formatFinding({ severity, subject, title, evidence, remedy, page }: Finding, output: Output): string {
  const [mark, paint] = MARKS[severity];
  const lines = [`  ${output.paint(paint, mark)} ${title}: ${subject}`];
  lines.push(...evidence.map((line) => output.paint('dim', `      ${line}`)));
  if (severity === 'warning' || severity === 'error') lines.push(`      -> ${remedy}`, `         ${page}`);
  return lines.join('\n');
}

function verdict(findings: readonly Finding[], output: Output): string {
  const count = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length;
  const words = `${count('error')} errors, ${count('warning')} warnings`;
  if (!wouldWork(findings)) return output.paint('red', `Redirection does not work here, or would not: ${words}.`);
  const tried = findings.some(({ code }) => code === 'self-test-passed')
    ? ''
    : ', as far as can be told without trying';
  return output.paint('green', `Redirection works here, or would${tried}: ${words}.`);
}
