import type { CommandSpec } from '../command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect doctor`. */
export const doctor: CommandSpec = {
  name: 'doctor',
  summary: 'find out whether redirection works on this node, or would, and what stands in its way',
  description: `It looks at the kernel and what each missing feature costs, at privileges, containers, mounts and settings, at what an engine has made, at the network plugin of the node, and at the hooks of interfaces: who is there in which order, and who keeps packets from whom. Then it redirects connections in network namespaces of its own, by the very mode that would be used. It changes nothing that is there.

Every finding has a code, which docs/doctor.md explains, what was read, and what to do.`,
  options: [
    ...NODE_OPTIONS.filter(({ name }) => name !== 'socket'),
    {
      name: 'interface',
      short: 'i',
      value: 'NAME',
      repeat: true,
      summary:
        "look at the hooks of this interface; those of enrolled pods if left out, where there are none all that could be pods'",
      completes: 'interface',
    },
    {
      name: 'attach',
      value: 'WAY',
      choices: ['auto', 'tcx', 'clsact'],
      summary: 'look as if the engine had this option; what it was opened with last counts if left out',
    },
    {
      name: 'steer',
      value: 'WAY',
      choices: ['auto', 'sk_lookup', 'tproxy'],
      summary: 'look as if the engine had this option; what it was opened with last counts if left out',
    },
    { name: 'skip-self-test', summary: 'redirect no connection to try it' },
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'look at this node', line: 'ambient-redirect doctor' },
    { summary: 'problems only', line: 'ambient-redirect doctor --quiet' },
    {
      summary: 'whether it would work without tcx and sk_lookup',
      line: 'ambient-redirect doctor --attach clsact --steer tproxy',
    },
    {
      summary: 'the codes of what is wrong',
      line: `ambient-redirect doctor --json | jq -r '.findings[] | select(.severity == "error") | .code'`,
    },
  ],
  exitCodes: {
    0: 'redirection works here, or would',
    1: 'something stands in its way: there is a finding of severity error',
    77: 'a privilege is missing, so that it cannot be told',
  },
  json: {
    summary:
      '`ok`: whether redirection works, or would. `findings`, in the order in which they were found, each with `code` (stable), `area`, `severity` (`ok`, `info`, `warning`, `error`), `subject` (what it is about), `title`, `evidence` (what was read, line by line), `remedy`, and `page` (where the code is explained).',
    example: {
      ok: true,
      findings: [
        {
          code: 'kernel-no-tcx',
          area: 'kernel',
          severity: 'info',
          subject: 'tcx',
          title: 'Programs are attached by filters of clsact, for want of tcx',
          evidence: ['Linux 6.1.0-31-amd64 refuses it; mainline has it since 6.6'],
          remedy: 'Nothing to do.',
          page: 'docs/doctor.md#kernel-no-tcx',
        },
      ],
    },
  },
  run: () => import('../run/doctor.ts'),
};
