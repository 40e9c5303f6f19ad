import type { CommandSpec } from '../command-spec.ts';
import { OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect completion`. */
export const completion: CommandSpec = {
  name: 'completion',
  summary: 'print a script that completes commands and options in a shell',
  description: 'The script knows all commands, options and their values, and starts no process to complete a word.',
  arguments: [{ name: 'SHELL', summary: 'the shell', choices: ['bash', 'zsh', 'fish'] }],
  options: OUTPUT_OPTIONS,
  examples: [
    { summary: 'bash: in this shell', line: 'source <(ambient-redirect completion bash)' },
    {
      summary: 'bash: from now on',
      line: 'ambient-redirect completion bash > /etc/bash_completion.d/ambient-redirect',
    },
    {
      summary: 'zsh: in a directory of $fpath',
      line: 'ambient-redirect completion zsh > /usr/local/share/zsh/site-functions/_ambient-redirect',
    },
    { summary: 'fish', line: 'ambient-redirect completion fish > ~/.config/fish/completions/ambient-redirect.fish' },
  ],
  json: { summary: 'The shell, and the script.', example: { shell: 'bash', script: '# ...' } },
  run: () => import('../run/completion.ts'),
};
