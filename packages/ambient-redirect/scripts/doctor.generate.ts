/** Makes `docs/doctor.md` of the codes of the doctor: what is told of a finding, and what is written of it, is one text. */
import { ALL_AREAS } from '../src/doctor/codes.ts';
import type { AreaName, CodeSpec, Severity } from '../src/doctor/finding.ts';

const OUTPUT = 'docs/doctor.md';

/** What each area is about. */
const ABOUT: Readonly<Record<AreaName, string>> = {
  kernel: 'What the kernel has, found by trying, and what it costs where it does not.',
  privileges: 'What this process may do.',
  container: 'Namespaces and sandboxes around this process.',
  mounts: 'Where maps, links and programs can be pinned.',
  lockdown: 'What the kernel keeps even from root.',
  state: 'What an engine has made, against what is found in the kernel.',
  sysctls: 'Settings of the network.',
  cni: 'The network plugin of the node, by its configuration, interfaces and programs, and what is known of living with it.',
  chains: 'What a packet meets on the hooks of interfaces, in the true order, and who hides whom.',
  leftovers: 'What earlier engines left.',
  'self-test': 'Connections that are redirected to try it, in network namespaces of their own.',
};

const SEVERITIES: Readonly<Record<Severity, string>> = {
  ok: 'looked at, and as it should be',
  info: 'good to know',
  warning: 'it works, but some traffic may go another way than is thought, or will when something changes',
  error: 'redirection does not work here, or would not: the command exits with 1',
};

function section(code: string, { severity, title, cause, see, remedy }: CodeSpec): string {
  return [
    `### ${code}`,
    '',
    `**${title}** (${severity}). ${cause}`,
    '',
    'See it by hand:',
    '',
    '```sh',
    ...see,
    '```',
    '',
    `What to do: ${remedy}`,
    '',
  ].join('\n');
}

function summary(): string[] {
  const rows = ALL_AREAS.flatMap(({ codes }) =>
    Object.entries(codes).map(([code, { severity, title }]) => `| [\`${code}\`](#${code}) | ${severity} | ${title} |`),
  );
  return ['| code | severity | |', '|---|---|---|', ...rows];
}

function chapter(name: AreaName, codes: Readonly<Record<string, CodeSpec>>): string {
  const sections = Object.entries(codes).map(([code, spec]) => section(code, spec));
  return [`## ${name}`, '', ABOUT[name], '', ...sections].join('\n');
}

/** The page. */
export function generate(): Readonly<Record<string, string>> {
  const text = [
    '# Doctor',
    '',
    '<!-- made by packages/ambient-redirect/scripts/doctor.generate.ts: npm run generate -->',
    '',
    '`ambient-redirect doctor` finds out whether redirection works on this node, or would, and what stands in its way. It changes nothing that is',
    'there; the self-test works in network namespaces of its own. With `--json` it prints each finding as data.',
    '',
    '| severity | means |',
    '|---|---|',
    ...Object.entries(SEVERITIES).map(([severity, means]) => `| ${severity} | ${means} |`),
    '',
    'Each finding has one of these codes. They are stable: none is renamed, or used for something else. In commands `DEV` stands for an interface,',
    '`NETNS` for the path of a network namespace, `DIR` for a directory.',
    '',
    ...summary(),
    '',
    ...ALL_AREAS.map(({ name, codes }) => chapter(name, codes)),
  ].join('\n');
  return { [OUTPUT]: `${text.trimEnd()}\n` };
}
