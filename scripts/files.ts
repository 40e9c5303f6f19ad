import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The repository's files, by path from its root: tracked ones and new ones that are not ignored. */
export function repositoryFiles(): string[] {
  const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return [...new Set(listing.split('\0'))].filter((path) => path !== '' && existsSync(path)).sort();
}
