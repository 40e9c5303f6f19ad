import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeWith, tool } from '../../../test/support/needs.ts';
import { tempDir } from '../../../test/support/temp.ts';
import { COMMANDS } from '../src/cli/commands/index.ts';
import { cliManual } from './cli-manual.ts';
import { cliPage } from './cli-page.ts';

const page = cliPage(COMMANDS);

describe('docs/cli.md', () => {
  test.each(COMMANDS)('has all of $name', ({ name, options, examples, exitCodes = {}, json }) => {
    const start = page.indexOf(`\n## ${name}\n`);
    expect(start).toBeGreaterThan(0);
    const end = page.indexOf('\n## ', start + 1);
    const section = page.slice(start, end < 0 ? undefined : end);
    for (const option of options) expect(section).toContain(`--${option.name}`);
    for (const { line } of examples) expect(section).toContain(line);
    for (const meaning of Object.values(exitCodes)) expect(section).toContain(meaning);
    expect(section.includes('```json')).toBe(json !== undefined);
  });

  test('every link leads to a heading', () => {
    const headings = new Set([...page.matchAll(/^## (.*)$/gm)].map(([, text = '']) => text.replaceAll(' ', '-')));
    const links = [...page.matchAll(/\]\(#([^)]*)\)/g)].map(([, target]) => target);
    expect(links).toHaveLength(COMMANDS.length);
    for (const link of links) expect(headings).toContain(link);
  });
});

describeWith([tool('mandoc')], 'the manual page', () => {
  const file = (): string => {
    const path = join(tempDir(), 'ambient-redirect.8');
    writeFileSync(path, cliManual(COMMANDS));
    return path;
  };

  test('has nothing that mandoc finds wrong', () => {
    const { status, stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', file()], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });

  test('is shown with every command, option and example as it is typed', () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'utf8', '-O', 'width=1000', file()], { encoding: 'utf8' });
    // Bold is a character that is printed over itself.
    const shown = stdout
      .split('\b')
      .map((part, at, all) => (at < all.length - 1 ? part.slice(0, -1) : part))
      .join('');
    for (const { name, options, examples } of COMMANDS) {
      expect(shown).toContain(`ambient-redirect ${name}`);
      for (const option of options) expect(shown).toContain(`--${option.name}`);
      for (const { line } of examples) expect(shown).toContain(line);
    }
  });
});
