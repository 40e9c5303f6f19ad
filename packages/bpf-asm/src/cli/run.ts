import { readFile } from 'node:fs/promises';
import { isBpfAsmError } from '../error.ts';
import { InputError, UsageError, type Command, type Io } from './command.ts';
import { HELP, OVERVIEW, SUMMARY, type CommandName } from './help.ts';

/** Each is loaded when it is asked for: starting takes longer than most of what they do. */
const COMMANDS: Readonly<Record<CommandName, () => Promise<{ readonly command: Command }>>> = {
  asm: () => import('./asm.ts'),
  disasm: () => import('./disasm.ts'),
  run: () => import('./execute.ts'),
  dump: () => import('./dump.ts'),
  plugin: () => import('./plugin.ts'),
};

/**
 * Runs the command.
 *
 * @param argv - the arguments, without the names of the interpreter and the command.
 * @param io - what it may do.
 * @returns the exit code: 0 done, 1 failed, 2 the arguments were not understood.
 */
export async function run(argv: readonly string[], io: Io): Promise<0 | 1 | 2> {
  const [name, ...args] = argv;
  const json = argv.includes('--json');
  try {
    if (name === '--help' || name === '-h' || name === 'help') io.print(OVERVIEW);
    else if (name === '--version') io.print(`${await version()}\n`);
    else if (!isCommand(name))
      throw new UsageError(name === undefined ? 'which command?' : `there is no command ${name}`);
    else if (args.includes('--help') || args.includes('-h')) io.print(HELP[name]);
    else await (await COMMANDS[name]()).command.run(args, io);
    return 0;
  } catch (error) {
    const usage = isUsage(error);
    io.complain(json ? JSON.stringify({ error: errorJson(error, usage) }) : errorText(error, usage, name));
    return usage ? 2 : 1;
  }
}

function isCommand(name: string | undefined): name is CommandName {
  return name !== undefined && Object.hasOwn(SUMMARY, name);
}

/** The version of the package; sources and bundle are two directories below it alike. */
async function version(): Promise<string> {
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

function isUsage(error: unknown): boolean {
  return error instanceof UsageError || codeOf(error).startsWith('ERR_PARSE_ARGS_');
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** `bpf-asm: FILE:LINE:COLUMN: what is wrong; what to do`. */
function errorText(error: unknown, usage: boolean, name: string | undefined): string {
  const message = error instanceof Error ? error.message : String(error);
  if (usage) return `bpf-asm: ${message}\nTry: bpf-asm ${isCommand(name) ? `${name} ` : ''}--help`;
  if (!(error instanceof InputError)) return `bpf-asm: ${message}`;
  const { line = error.cause.source?.line, column = error.cause.source?.column } = error.cause;
  const place = [error.file, line, column].filter((part) => part !== undefined).join(':');
  return `bpf-asm: ${place}: ${message.replace(/ \((line|instruction) \d+[^)]*\)/, '')}`;
}

function errorJson(error: unknown, usage: boolean): Readonly<Record<string, unknown>> {
  const message = error instanceof Error ? error.message : String(error);
  const code = usage ? 'ERR_USAGE' : codeOf(error) || 'ERR_FAILED';
  const [file, inner] = error instanceof InputError ? [error.file, error.cause] : [undefined, error];
  if (!isBpfAsmError(inner)) return { code, message };
  const { line, column, instruction, field, byteOffset, size, hint } = inner;
  const address = inner.address === undefined ? undefined : `0x${inner.address.toString(16)}`;
  return { code: inner.code, message, file, line, column, instruction, field, byteOffset, address, size, hint };
}
