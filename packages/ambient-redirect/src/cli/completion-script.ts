import { COMMAND_GROUPS } from './commands/index.ts';
import type { ArgumentSpec, CommandSpec, Completion, OptionSpec } from './command-spec.ts';
import { NAME } from './program.ts';

/** Shells that there is a script for. */
export type Shell = 'bash' | 'zsh' | 'fish';

/** The script that teaches a shell the commands: all words are in it, it starts no process. */
export function completionScript(shell: Shell, specs: readonly CommandSpec[]): string {
  return { bash, zsh, fish }[shell](specs);
}

/** Of every command. */
const HELP_OPTION: OptionSpec = { name: 'help', short: 'h', summary: 'explain it' };

function optionsOf(spec: CommandSpec): readonly OptionSpec[] {
  return [...spec.options, HELP_OPTION];
}

/** A first word, and the second words that it can have. */
interface Word {
  readonly word: string;
  readonly summary: string;
  readonly spec: CommandSpec | undefined;
  readonly second: readonly { readonly word: string; readonly spec: CommandSpec }[];
}

function wordsOf(specs: readonly CommandSpec[]): readonly Word[] {
  const firsts = new Set(specs.map(({ name }) => name.split(' ')[0] ?? ''));
  return [...firsts].map((word) => {
    const spec = specs.find(({ name }) => name === word);
    const second = specs
      .filter(({ name }) => name.startsWith(`${word} `))
      .map((one) => ({ word: one.name.slice(word.length + 1), spec: one }));
    return { word, summary: spec?.summary ?? COMMAND_GROUPS[word] ?? word, spec, second };
  });
}

/** A text as one word of bash and zsh. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

const BASH_VALUES: Readonly<Record<Completion, string>> = {
  file: 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur"))',
  directory: 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur"))',
  interface: 'COMPREPLY=($(compgen -W "$(cd /sys/class/net && echo *)" -- "$cur"))',
};

function bashWords(words: readonly string[]): string {
  return `COMPREPLY=($(compgen -W ${quote(words.join(' '))} -- "$cur"))`;
}

function bashValue({ choices, completes }: OptionSpec | ArgumentSpec): string {
  if (choices !== undefined) return bashWords(choices);
  return completes === undefined ? 'COMPREPLY=()' : BASH_VALUES[completes];
}

function bashCommand(spec: CommandSpec): string {
  const flags = optionsOf(spec).flatMap(({ name, short }) =>
    (short === undefined ? [] : [`-${short}`]).concat(`--${name}`),
  );
  const values = spec.options
    // Where the value may be left out, another option is as likely.
    .filter(({ value, bare }) => value !== undefined && bare === undefined)
    .map((option) => `        --${option.name}) ${bashValue(option)}; return ;;`);
  const [argument] = spec.arguments ?? [];
  return [
    `    ${quote(spec.name)})`,
    ...(values.length === 0 ? [] : ['      case "$prev" in', ...values, '      esac']),
    `      if [[ $cur == -* ]]; then ${bashWords(flags)}`,
    ...(argument === undefined ? [] : [`      else ${bashValue(argument)}`]),
    '      fi ;;',
  ].join('\n');
}

function bash(specs: readonly CommandSpec[]): string {
  const words = wordsOf(specs);
  const groups = words.filter(({ second }) => second.length > 0);
  const names = words.map(({ word }) => word);
  return `# bash completion of ${NAME}
_ambient_redirect() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  # In --option=value the sign is a word of its own.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  if ((COMP_CWORD == 1)); then
    ${bashWords([...names, 'help', '--help', '--version'])}
    return
  fi
  case "$command" in
    help) ${bashWords(names)}; return ;;
${groups.map(({ word, second }) => `    ${word}) if ((COMP_CWORD == 2)); then ${bashWords(second.map((each) => each.word))}; return; fi; command+=" \${COMP_WORDS[2]}" ;;`).join('\n')}
  esac
  case "$command" in
${specs.map(bashCommand).join('\n')}
  esac
}
complete -F _ambient_redirect ${NAME}
`;
}

const ZSH_VALUES: Readonly<Record<Completion, string>> = {
  file: '_files',
  directory: '_files -/',
  interface: '_net_interfaces',
};

/** A text between brackets or colons of zsh's \`_arguments\`. */
function zshText(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, '\\$&');
}

function zshValue({ choices, completes }: OptionSpec | ArgumentSpec): string {
  if (choices !== undefined) return `(${choices.join(' ')})`;
  return completes === undefined ? ' ' : ZSH_VALUES[completes];
}

function zshOption(option: OptionSpec): string {
  const { name, short, value, bare, summary, repeat = false } = option;
  const colon = bare === undefined ? ':' : '::';
  const end = `[${zshText(summary)}]${value === undefined ? '' : `${colon}${value}:${zshValue(option)}`}`;
  const long = `--${name}${value === undefined ? '' : '='}`;
  if (short !== undefined) return `${quote(`(-${short} --${name})`)}{-${short},${long}}${quote(end)}`;
  return quote(`${repeat ? '*' : ''}${long}${end}`);
}

function zshArgument(argument: ArgumentSpec, at: number): string {
  const { name, optional = false, repeat = false } = argument;
  return quote(`${repeat ? '*' : at + 1}:${optional ? ':' : ''}${name}:${zshValue(argument)}`);
}

function zshCommand(spec: CommandSpec): string {
  const all = [...optionsOf(spec).map(zshOption), ...(spec.arguments ?? []).map(zshArgument)];
  return `    ${quote(spec.name)}) _arguments ${all.join(' ')} ;;`;
}

function zshDescribe(words: readonly { readonly word: string; readonly summary: string }[]): string {
  const all = words.map(({ word, summary }) => quote(`${word}:${zshText(summary)}`));
  return `words_=(${all.join(' ')}); _describe -t commands command words_`;
}

function zsh(specs: readonly CommandSpec[]): string {
  const words = wordsOf(specs);
  const groups = words.filter(({ second }) => second.length > 0);
  const help = { word: 'help', summary: 'explain a command' };
  const of = (word: Word): string =>
    `    ${word.word}) if (( CURRENT == 2 )); then ${zshDescribe(word.second.map((each) => ({ word: each.word, summary: each.spec.summary })))}; return; fi; command+=" $words[2]"; shift words; (( CURRENT-- )) ;;`;
  return `#compdef ${NAME}
_${NAME}() {
  local -a words_
  local command="$words[2]"
  if (( CURRENT == 2 )); then
    ${zshDescribe([...words, help])}
    return
  fi
  shift words; (( CURRENT-- ))
  case "$command" in
    help) ${zshDescribe(words)}; return ;;
${groups.map(of).join('\n')}
  esac
  case "$command" in
${specs.map(zshCommand).join('\n')}
  esac
}
# Loaded by its name it is the function; read with \`source\` it says what it completes.
if [[ "$funcstack[1]" == "_${NAME}" ]]; then _${NAME} "$@"; else compdef _${NAME} ${NAME}; fi
`;
}

const FISH_VALUES: Readonly<Record<Completion, string>> = {
  file: '-r -F',
  directory: "-x -a '(__fish_complete_directories)'",
  interface: `-x -a '(string replace /sys/class/net/ "" /sys/class/net/*)'`,
};

function fishQuote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}

function fishValue({ choices, completes }: OptionSpec | ArgumentSpec): string {
  if (choices !== undefined) return `-x -a ${fishQuote(choices.join(' '))}`;
  return completes === undefined ? '-x' : FISH_VALUES[completes];
}

function fishCommand(spec: CommandSpec): readonly string[] {
  const begin = `complete -c ${NAME} -n '__ambient_redirect_is ${spec.name}'`;
  const options = optionsOf(spec).map((option) => {
    const { name, short, value, bare, summary } = option;
    const flags = `${short === undefined ? '' : `-s ${short} `}-l ${name}`;
    return `${begin} ${flags}${value === undefined || bare !== undefined ? '' : ` ${fishValue(option)}`} -d ${fishQuote(summary)}`;
  });
  const [argument] = spec.arguments ?? [];
  const offers = argument !== undefined && (argument.choices !== undefined || argument.completes !== undefined);
  return offers ? [...options, `${begin} ${fishValue(argument).replace(/^-[xr] /, '')}`] : options;
}

function fish(specs: readonly CommandSpec[]): string {
  const words = wordsOf(specs);
  const offer = (before: string, word: string, summary: string): string =>
    `complete -c ${NAME} -n '__ambient_redirect_after${before}' -a ${word} -d ${fishQuote(summary)}`;
  return `# fish completion of ${NAME}
function __ambient_redirect_is --description 'the command line has this command'
    set -l words (commandline -opc)
    set -l last (math (count $argv) + 1)
    test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"
end
function __ambient_redirect_after --description 'the next word follows these'
    set -l words (commandline -opc)
    test (count $words) -eq (math (count $argv) + 1); or return 1
    test (count $argv) -eq 0; or test "$words[2..-1]" = "$argv"
end
complete -c ${NAME} -f
${[
  ...words.map(({ word, summary }) => offer('', word, summary)),
  offer('', 'help', 'explain a command'),
  `complete -c ${NAME} -n '__ambient_redirect_after' -s V -l version -d 'print the version'`,
  `complete -c ${NAME} -n '__ambient_redirect_after' -s h -l help -d 'explain it'`,
  ...words.map(({ word, summary }) => offer(' help', word, summary)),
  ...words.flatMap(({ word, second }) => second.map((each) => offer(` ${word}`, each.word, each.spec.summary))),
  ...specs.flatMap(fishCommand),
].join('\n')}
`;
}
