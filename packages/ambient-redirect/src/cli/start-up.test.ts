/** What is loaded before a command is known must be little: reading it takes longer than most commands. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

/** Every file that `main.ts` imports, directly or not, but for what is imported when it is needed; and every package. */
function imported(): { readonly files: readonly string[]; readonly packages: readonly string[] } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const follow = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const source = readFileSync(file, 'utf8');
    for (const [, types, from = ''] of source.matchAll(/^(?:import|export) (type )?[^'"]*?from '([^']+)';$/gm)) {
      if (types !== undefined) continue;
      if (from.startsWith('.')) follow(join(dirname(file), from));
      else packages.add(from);
    }
  };
  follow(join(import.meta.dirname, 'main.ts'));
  return { files: [...files].map((file) => relative(import.meta.dirname, file)), packages: [...packages] };
}

test('nothing but the frame and the specs is read before a command is known', () => {
  const { files, packages } = imported();
  expect(files).toContain('commands/enroll.ts');
  expect(files.filter((file) => file.startsWith('..') || file.startsWith('run/'))).toEqual([]);
  expect(packages.filter((name) => !name.startsWith('node:'))).toEqual(['commander']);
});
