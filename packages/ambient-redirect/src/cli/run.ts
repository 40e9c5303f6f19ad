import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { COMMAND_GROUPS, COMMANDS } from './commands/index.ts';
import type { CommandIo } from './command-spec.ts';
import { CliError, EXIT, exitCodeOf, Interrupted, OutputClosed, tellError } from './errors.ts';
import { Output, paint, toJson } from './output.ts';
import { createProgram, NAME } from './program.ts';

/**
 * Runs the command.
 * @param argv the arguments, without the names of the interpreter and of the command
 * @param io what it may do
 * @returns the exit code
 */
export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  let code: number = EXIT.ok;
  const program = createProgram(COMMANDS, {
    version: version(),
    output: {
      print: (text) => void io.stdout.write(text),
      complain: (text) => void io.stderr.write(text),
      columns: io.stdout.columns ?? 100,
    },
    execute: async (spec, args) => {
      const { run: execute } = await spec.run();
      const output = new Output(io, { json: args.flag('json'), quiet: args.flag('quiet') });
      code = (await execute({ args, output, io })) ?? EXIT.ok;
    },
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // The help and the version are printed by now.
      if (error.exitCode === 0) return EXIT.ok;
      if (error.code === 'commander.help') return EXIT.usage;
      return complain(usageError(error, argv), argv, io);
    }
    return complain(error, argv, io);
  }
}

/** The version of the package; sources and bundle are two directories below it alike. */
export function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/** What commander did not understand, in our words: it begins with `error:` and may have a suggestion in its second line. */
function usageError(error: CommanderError, argv: readonly string[]): CliError {
  const [first = '', ...suggestion] = error.message.replace(/^error: /, '').split('\n');
  const named = COMMANDS.find(({ name }) => name.split(' ').every((word, at) => argv[at] === word));
  const [group = ''] = argv;
  const about = named?.name ?? (Object.hasOwn(COMMAND_GROUPS, group) ? group : undefined);
  const help = `${NAME}${about === undefined ? '' : ` ${about}`} --help`;
  const did = suggestion.join(' ').replace(/^\(Did(.*)\)$/, 'did$1 ');
  return new CliError(first.replace(/\.$/, ''), { hint: `${did}Try: ${help}` });
}

function complain(error: unknown, argv: readonly string[], io: CommandIo): number {
  if (error instanceof OutputClosed) return EXIT.ok;
  const told = tellError(error);
  const code = exitCodeOf(error);
  if (argv.includes('--json')) {
    io.stderr.write(`${toJson({ error: told })}\n`);
    return code;
  }
  if (error instanceof Interrupted) {
    io.stderr.write(`${NAME}: ${error.message}\n`);
    return code;
  }
  const failed = (told.failures ?? []).map(({ id, error: of }) => `\n  ${id}: ${of.message}${hintOf(of.hint)}`);
  const name = paint(io.stderr, io.env, 'red', `${NAME}:`);
  io.stderr.write(`${name} ${told.message}${hintOf(told.hint)}${failed.join('')}\n`);
  return code;
}

function hintOf(hint: string | undefined): string {
  return hint === undefined ? '' : `; ${hint}`;
}
