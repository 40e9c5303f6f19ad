import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The files of the machine by which it tells of itself. */
export interface Machine {
  /** The text of a file, without white space at its ends; undefined where it is not there, or may not be read. */
  read(path: string): string | undefined;
  /** The names in a directory, sorted; none where it is not there, or may not be read. */
  list(path: string): readonly string[];
  /** Where a symbolic link leads; undefined where there is none. */
  link(path: string): string | undefined;
}

function unless<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code === 'string') return undefined;
    throw error;
  }
}

/**
 * The files below a directory, as if it were the root of the machine. Tests give one of their own, for what cannot be made for real.
 * @param root without its last slash; the machine itself if left out
 */
export function machineAt(root = ''): Machine {
  return {
    read: (path) => unless(() => readFileSync(`${root}${path}`, 'utf8').trim()),
    list: (path) => unless(() => readdirSync(`${root}${path}`).toSorted()) ?? [],
    link: (path) => unless(() => readlinkSync(`${root}${path}`)),
  };
}
