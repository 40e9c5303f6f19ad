import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { call } from '../../test/command.ts';
import { COMMANDS } from './commands/index.ts';
import { completionScript, type Shell } from './completion-script.ts';

/** What the real shell offers after a line, of which the last word is being typed. */
function offered(shell: Shell, line: string): string[] {
  const script = join(tempDir(), `completion.${shell}`);
  writeFileSync(script, completionScript(shell, COMMANDS));
  const words = line.split(' ');
  const commands = {
    // As readline does: it breaks words at the sign of --option=value, too.
    bash: `source ${script}
COMP_WORDS=(${words
      .flatMap((word) => word.split(/(=)/))
      .map((word) => `'${word}'`)
      .join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_ambient_redirect; printf '%s\\n' "\${COMPREPLY[@]}"`,
    fish: `source ${script}; complete -C '${line}' | string replace -r '\\t.*' ''`,
    zsh: zshCapture(script, line),
  };
  const args = { bash: ['-c'], fish: ['--no-config', '-c'], zsh: ['-f', '-c'] }[shell];
  const { stdout, stderr, error } = spawnSync(shell, [...args, commands[shell]], { encoding: 'utf8', timeout: 15_000 });
  if (error !== undefined) throw error;
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** zsh completes at a terminal only: a terminal of its own, a tabulator, and what its completion adds goes to a file. */
function zshCapture(script: string, line: string): string {
  const setUp = join(tempDir(), 'setup.zsh');
  const found = join(tempDir(), 'found');
  const done = join(tempDir(), 'done');
  writeFileSync(found, '');
  writeFileSync(
    setUp,
    `autoload -Uz compinit && compinit -D -u
source ${script}
compadd() {
  # Others of its calls ask which words would match.
  if [[ " \${@[1,(i)(-|--)]} " == *' '-[A-Za-z]#[OAD]' '* ]]; then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -A hits "$@"
  print -l -- $hits >> ${found}
  return 1
}
capture() { unset 'compstate[vared]'; _main_complete; : > ${done} }
zle -C capture complete-word capture
bindkey '^I' capture
`,
  );
  return `zmodload zsh/zpty
setopt extendedglob
zpty -b terminal TERM=dumb zsh -f -i -o extendedglob
zpty -w terminal 'source ${setUp}'
zpty -w -n terminal $'${line}\t'
for i in {1..200}; do zpty -r -t terminal _ 2>/dev/null; [[ -e ${done} ]] && break; sleep 0.05; done
zpty -d terminal
cat ${found}`;
}

const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish'];

describe.each(SHELLS)('in %s', (shell) => {
  test('commands', () => {
    const all = offered(shell, 'ambient-redirect ');
    for (const { name } of COMMANDS) expect(all).toContain(name.split(' ')[0]);
    expect(all).toContain('help');
    expect(offered(shell, 'ambient-redirect compl')).toEqual(['completion']);
    expect(offered(shell, 'ambient-redirect help compl')).toEqual(['completion']);
  });

  test('options, and the values of an argument', () => {
    expect(offered(shell, 'ambient-redirect completion --j')).toEqual(['--json']);
    expect(offered(shell, 'ambient-redirect completion --json ').sort()).toEqual(['bash', 'fish', 'zsh']);
    // The value of this one may be left out.
    expect(offered(shell, 'ambient-redirect status --stats --js')).toEqual(['--json']);
  });
});

test.each(SHELLS)('the command prints the script for %s', async (shell) => {
  const script = completionScript(shell, COMMANDS);
  expect(await call(['completion', shell])).toEqual({ code: 0, out: script, err: '' });
  expect(JSON.parse((await call(['completion', shell, '--json'])).out)).toMatchObject({ shell });
});
