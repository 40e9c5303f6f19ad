import { Command, InvalidArgumentError, Option } from 'commander';
import { Arguments } from './arguments.ts';
import { COMMAND_GROUPS } from './commands/index.ts';
import type { CommandSpec, OptionSpec } from './command-spec.ts';

/** The name of the command. */
export const NAME = 'ambient-redirect';

/** What it is, in one sentence. */
export const SUMMARY = 'Catches the traffic of pods on a node and hands it to a node-local proxy, with eBPF.';

/** What is done with a command that was understood. */
export type Execute = (spec: CommandSpec, args: Arguments) => Promise<void>;

/** Where the parser prints, and how wide. */
export interface ParserOutput {
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly columns: number;
}

/**
 * The parser of all commands.
 * @param specs what there is
 * @param execute called with the command that was understood
 */
export function createProgram(
  specs: readonly CommandSpec[],
  { version, output, execute }: { readonly version: string; readonly output: ParserOutput; readonly execute: Execute },
): Command {
  const program = new Command(NAME).description(SUMMARY).version(version, '-V, --version', 'print the version');
  prepare(program, output);
  program.helpCommand('help [command]', 'explain a command');
  program.addHelpText('after', `\n\`${NAME} COMMAND --help\` has the options and examples of each.`);
  const groups = new Map<string, Command>();
  for (const spec of specs) {
    const [first = '', second] = spec.name.split(' ');
    if (second === undefined) {
      program.addCommand(createCommand(spec, first, { output, execute }));
      continue;
    }
    let group = groups.get(first);
    if (group === undefined) {
      group = prepare(new Command(first).description(sentence(COMMAND_GROUPS[first] ?? first)), output);
      group.helpCommand(false);
      groups.set(first, group);
      program.addCommand(group);
    }
    group.addCommand(createCommand(spec, second, { output, execute }));
  }
  return program;
}

/** What all commands have: errors are thrown and not the process ended, text goes where it is told. */
function prepare(command: Command, { print, complain, columns }: ParserOutput): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: print,
      writeErr: complain,
      outputError: () => undefined,
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
    })
    .helpOption('-h, --help', 'explain it');
}

function createCommand(
  spec: CommandSpec,
  name: string,
  { output, execute }: { readonly output: ParserOutput; readonly execute: Execute },
): Command {
  const command = prepare(new Command(name), output).summary(spec.summary);
  command.description(
    spec.description === undefined ? sentence(spec.summary) : `${sentence(spec.summary)}\n\n${spec.description}`,
  );
  for (const { name: place, summary, optional = false, repeat = false, choices } of spec.arguments ?? []) {
    const shape = `${place}${repeat ? '...' : ''}`;
    const argument = command.createArgument(optional ? `[${shape}]` : `<${shape}>`, summary);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const option of spec.options) command.addOption(createOption(option));
  command.allowExcessArguments(false);
  command.addHelpText('after', helpEnd(spec));
  return command.action(async (...given: unknown[]) => {
    const places = given.slice(0, spec.arguments?.length ?? 0);
    const values = Object.fromEntries(
      spec.options.map(({ name: option }) => [option, command.getOptionValue(attributeOf(option))]),
    );
    await execute(spec, new Arguments(spec, values, places));
  });
}

/** How commander names the value of an option. */
function attributeOf(option: string): string {
  return new Option(`--${option}`).attributeName();
}

function createOption(spec: OptionSpec): Option {
  const option = new Option(optionFlags(spec), spec.summary);
  if (spec.choices !== undefined) option.choices(spec.choices);
  if (spec.value !== undefined) option.argParser((text: string, before: unknown) => parseValue(spec, text, before));
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.bare !== undefined) option.preset(spec.bare);
  if (spec.required === true) option.makeOptionMandatory();
  return option;
}

function parseValue({ number, choices, repeat = false }: OptionSpec, text: string, before: unknown): unknown {
  if (choices !== undefined && !choices.includes(text))
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
  if (number !== undefined) {
    const value = Number(text);
    const fits = text.trim() !== '' && value >= number.from && value <= number.to;
    if (!fits || (number.whole && !Number.isInteger(value)))
      throw new InvalidArgumentError(
        `It is a ${number.whole ? 'whole number' : 'number'} from ${number.from} to ${number.to}.`,
      );
  }
  return repeat ? [...((before as readonly string[] | undefined) ?? []), text] : text;
}

/** An option as it is written: `-q, --quiet`, `--netns <PATH>`, `--stats [SECONDS]`. */
function optionFlags({ name, short, value, bare }: OptionSpec): string {
  const shape = value === undefined ? '' : bare === undefined ? ` <${value}>` : ` [${value}]`;
  return `${short === undefined ? '' : `-${short}, `}--${name}${shape}`;
}

/** What `--help` says after the options. */
function helpEnd(spec: CommandSpec): string {
  const examples = spec.examples.map(({ summary, line }) => `  # ${summary}\n  ${line}`);
  const codes = Object.entries(spec.exitCodes ?? {}).map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`);
  return ['\nExamples:', ...examples, ...(codes.length === 0 ? [] : ['\nExit codes:', ...codes])].join('\n');
}

/** A summary as a sentence. */
export function sentence(summary: string): string {
  const end = /[.?!]$/.test(summary) ? '' : '.';
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}${end}`;
}
