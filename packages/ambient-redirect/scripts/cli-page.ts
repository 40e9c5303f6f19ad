import type { ArgumentSpec, CommandSpec, OptionSpec } from '../src/cli/command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../src/cli/common-options.ts';
import { EXIT_MEANING } from '../src/cli/errors.ts';
import { NAME, sentence, SUMMARY } from '../src/cli/program.ts';

/** A text as a cell of a table. */
const cell = (text: string): string => text.replaceAll('|', '\\|');

/** How a command is written: its arguments in their places. */
export function synopsis({ name, arguments: places = [] }: CommandSpec): string {
  return [`${NAME} ${name}`, ...places.map(placeText), '[OPTION]...'].join(' ');
}

/** An argument as it is written: `POD...`, `[POD]`. */
function placeText({ name, optional = false, repeat = false }: ArgumentSpec): string {
  const shape = `${name}${repeat ? '...' : ''}`;
  return optional ? `[${shape}]` : shape;
}

/** The value of an option as it is written: `PATH`, or `[SECONDS]` where it may be left out. */
export function valueText({ value, bare }: OptionSpec): string | undefined {
  return value === undefined || bare === undefined ? value : `[${value}]`;
}

/** An option as it is written: `-q, --quiet`, `--netns PATH`. */
export function optionText(option: OptionSpec): string {
  const { name, short } = option;
  const value = valueText(option);
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

/** What there is to know of a value beside what it is for. */
export function remarks(spec: OptionSpec | ArgumentSpec): string {
  const { number, required = false, default: given, bare } = spec as OptionSpec;
  const parts = [
    ...(spec.choices === undefined ? [] : [`one of ${spec.choices.join(', ')}`]),
    ...(number === undefined
      ? []
      : [`${number.whole ? 'whole number' : 'number'} from ${number.from} to ${number.to}`]),
    ...(spec.repeat === true ? ['can be given several times'] : []),
    ...(required ? ['has to be given'] : []),
    ...(given === undefined ? [] : [`default ${given}`]),
    ...(bare === undefined ? [] : [`${bare} if left out`]),
  ];
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

/** Options that every command of their kind has: told once. */
const COMMON: ReadonlySet<string> = new Set([...NODE_OPTIONS, ...OUTPUT_OPTIONS].map(({ name }) => name));

/** The options of a command that are not told once for all. */
export function ownOptions({ options }: CommandSpec): readonly OptionSpec[] {
  return options.filter(({ name }) => !COMMON.has(name));
}

/** The name of a command's common options, as a sentence. */
export function commonOptions({ options }: CommandSpec): string {
  const names = options.filter(({ name }) => COMMON.has(name)).map(({ name }) => `\`--${name}\``);
  return `Common options: ${names.join(', ')}.`;
}

function optionTable(options: readonly OptionSpec[]): string[] {
  const rows = options.map(
    (option) => `| \`${optionText(option)}\` | ${cell(sentence(`${option.summary}${remarks(option)}`))} |`,
  );
  return ['| option | what it does |', '|---|---|', ...rows, ''];
}

function section(spec: CommandSpec): string[] {
  const { name, summary, description, arguments: places = [], examples, exitCodes = {}, json } = spec;
  const own = ownOptions(spec);
  const codes = Object.entries(exitCodes);
  return [
    `## ${name}`,
    '',
    '```',
    synopsis(spec),
    '```',
    '',
    sentence(summary),
    '',
    ...(description === undefined ? [] : [description, '']),
    ...(places.length === 0
      ? []
      : [
          '| argument | what it is |',
          '|---|---|',
          ...places.map(
            (place) => `| \`${placeText(place)}\` | ${cell(sentence(`${place.summary}${remarks(place)}`))} |`,
          ),
          '',
        ]),
    ...(own.length === 0 ? [] : optionTable(own)),
    commonOptions(spec),
    '',
    '```sh',
    ...examples.flatMap((example) => [`# ${example.summary}`, example.line]),
    '```',
    '',
    ...(codes.length === 0
      ? []
      : [`Exit codes: ${codes.map(([code, meaning]) => `${code}: ${meaning}`).join('; ')}.`, '']),
    ...(json === undefined
      ? []
      : [
          `\`--json\`: ${json.stream === true ? 'one document a line (NDJSON). ' : ''}${json.summary}`,
          '',
          '```json',
          ...(json.stream === true && Array.isArray(json.example)
            ? (json.example as unknown[]).map((record) => JSON.stringify(record))
            : [JSON.stringify(json.example, undefined, 2)]),
          '```',
          '',
        ]),
  ];
}

/** docs/cli.md. */
export function cliPage(specs: readonly CommandSpec[]): string {
  return [
    `# \`${NAME}\``,
    '',
    '<!-- made of packages/ambient-redirect/src/cli/commands: npm run generate -->',
    '',
    SUMMARY,
    '',
    '| command | what it does |',
    '|---|---|',
    ...specs.map(({ name, summary }) => `| [\`${name}\`](#${name.replaceAll(' ', '-')}) | ${cell(summary)} |`),
    '',
    'It works with an agent and without. Where an agent answers at the socket, for the directory, it is asked; else the command opens what is',
    'pinned itself, with a lock: one command that changes something at a time, while others look.',
    '',
    'Results go to standard output, progress and what is amiss to standard error. Colours are for terminals; `NO_COLOR` takes them away,',
    '`FORCE_COLOR` gives them. Numbers of 64 bits are decimal text in JSON. With `--json`, an error is one document on standard error:',
    '',
    '```json',
    '{ "error": { "code": "ERR_NO_STATE", "message": "there is no state of an engine in /sys/fs/bpf/ambient", "hint": "..." } }',
    '```',
    '',
    'Where some of several things failed, `error.failures` has each: `id` and `error`.',
    '',
    '`--dry-run` prints what would be made, replaced, set and removed, by where, and changes nothing. As JSON: `directory`; `changes`, each with',
    '`action` (make, replace, set, remove), `where` (the name of an interface, `proxy`, `earlier proxy`, `node`, `state`), `kind`, `what`, `how`, `before`, `after`',
    'and `pin`; `notes`; `refused`, each with `subject` and `error`. It exits with 1 where something would be refused.',
    '',
    '## Exit codes',
    '',
    '| code | meaning |',
    '|---|---|',
    ...Object.entries(EXIT_MEANING).map(([code, meaning]) => `| ${code} | ${meaning} |`),
    '',
    '## Common options',
    '',
    ...optionTable([...NODE_OPTIONS, ...OUTPUT_OPTIONS]),
    ...specs.flatMap(section),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
