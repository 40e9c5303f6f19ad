import type { CommandSpec, OptionSpec } from '../src/cli/command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../src/cli/common-options.ts';
import { EXIT_MEANING } from '../src/cli/errors.ts';
import { NAME, sentence, SUMMARY } from '../src/cli/program.ts';
import { optionText, ownOptions, remarks, synopsis, valueText } from './cli-page.ts';

/** When what is written below was changed last. */
const DATE = '2026-11-23';

/** Longest line of the source of a manual page, in bytes. */
const WIDTH = 78;

/** Text as roff has it: no backslash, no hyphen that is broken or made long, no line that begins with a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('…', '...')
    .replace(/^\./, '\\&.');
}

/** A paragraph: a line for each sentence, broken where it is long. What is between backquotes is bold. */
function prose(text: string): string[] {
  const lines = text.replaceAll(/\s+/g, ' ').split(/(?<=[.!?]) (?=[A-Z])/);
  return lines
    .flatMap((line) => wrap(line))
    .map((line) => {
      // A word in backquotes may be broken over two lines: then it stays plain.
      const marked = line.replaceAll(/`([^`]+)`/g, '\u0001$1\u0002');
      return roff(marked).replaceAll('\u0001', '\\fB').replaceAll('\u0002', '\\fR');
    });
}

function wrap(line: string): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + word.length + 1 > WIDTH - 10) {
      lines.push(current);
      current = word;
    } else current = current === '' ? word : `${current} ${word}`;
  }
  return [...lines, current];
}

/** What is printed as it is. */
function verbatim(lines: readonly string[]): string[] {
  return ['.EX', ...lines.map(roff), '.EE'];
}

/** A head, and what there is to say of it. */
function item(head: string, summary: string): string[] {
  return ['.TP', head].concat(prose(sentence(summary)));
}

function optionItem(option: OptionSpec): string[] {
  const { value: _value, ...flag } = option;
  const name = valueText(option);
  const bold = `\\fB${roff(optionText(flag))}\\fR`;
  const value = name === undefined ? '' : ` \\fI${roff(name)}\\fR`;
  return item(`${bold}${value}`, `${option.summary}${remarks(option)}`);
}

function section(spec: CommandSpec): string[] {
  const { name, summary, description, arguments: places = [], examples, exitCodes = {} } = spec;
  return [
    `.SS ${NAME.replace('-', '\\-')} ${name}`,
    ...prose(sentence(summary)),
    '.PP',
    ...verbatim([synopsis(spec)]),
    ...(description?.split('\n\n') ?? []).flatMap((paragraph) => ['.PP'].concat(prose(paragraph))),
    ...places.flatMap((place) => item(`\\fI${roff(place.name)}\\fR`, `${place.summary}${remarks(place)}`)),
    ...ownOptions(spec).flatMap(optionItem),
    ...examples.flatMap((example) => ['.PP'].concat(prose(sentence(example.summary)), verbatim([example.line]))),
    ...Object.entries(exitCodes).flatMap(([code, meaning]) => item(`exit code ${code}`, meaning)),
  ];
}

/** The manual page, in the macros of man(7). */
export function cliManual(specs: readonly CommandSpec[]): string {
  return [
    '.\\" Made of packages/ambient-redirect/src/cli/commands: npm run generate',
    `.TH AMBIENT\\-REDIRECT 8 ${DATE} ambient`,
    // No hyphenation: an option is to be found as it is written.
    '.nh',
    '.SH NAME',
    'ambient\\-redirect \\- redirects the traffic of pods to a node\\-local proxy',
    '.SH SYNOPSIS',
    '.B ambient\\-redirect',
    '.I COMMAND',
    '.RI [ OPTION ]...',
    '.SH DESCRIPTION',
    ...prose(SUMMARY),
    ...prose(
      'It works with an agent and without. Where an agent answers at the socket, for the directory, it is asked; else the command opens what is pinned itself, with a lock: one command that changes something at a time, while others look.',
    ),
    '.SH COMMANDS',
    ...specs.flatMap(section),
    '.SH COMMON OPTIONS',
    ...prose('Commands that look at a node or change it have the first of these, all have the others.'),
    ...[...NODE_OPTIONS, ...OUTPUT_OPTIONS].flatMap(optionItem),
    '.SH EXIT STATUS',
    ...Object.entries(EXIT_MEANING).flatMap(([code, meaning]) => item(code, meaning)),
    '.SH ENVIRONMENT',
    '.TP',
    '.B NO_COLOR',
    ...prose('No colours, if it is set and not empty.'),
    '.TP',
    '.B FORCE_COLOR',
    ...prose('Colours where there is no terminal, if it is set and not 0.'),
    '.SH FILES',
    '.TP',
    '.I /sys/fs/bpf/ambient',
    ...prose('What is pinned: maps, programs and links.'),
    '.TP',
    '.I /run/ambient\\-redirect/agent.sock',
    ...prose('The control socket of the agent.'),
    '.SH SEE ALSO',
    '.BR tc (8),',
    '.BR bpftool (8),',
    '.BR ip\\-netns (8)',
  ]
    .join('\n')
    .concat('\n');
}
