import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Netns } from 'netlink-tc';

const ROOT = '/proc/sys/net';

function unlessGone<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Settings of an interface go with it.
    if (code === 'ENOENT' || code === 'ENODEV') return undefined;
    throw error;
  }
}

/**
 * Reads a setting of a network namespace: procfs shows those of the thread that opens the file.
 * @param name path below `/proc/sys/net`: an interface's name may contain dots
 * @returns its text; undefined where there is no such setting
 */
export function readSysctl(netns: Netns, name: string): string | undefined {
  return unlessGone(() => netns.run(() => readFileSync(`${ROOT}/${name}`, 'utf8').trim()));
}

/** Writes a setting of a network namespace. @returns whether it is there */
export function writeSysctl(netns: Netns, name: string, value: string): boolean {
  const run = (): true => (writeFileSync(`${ROOT}/${name}`, value), true);
  return unlessGone(() => netns.run(run)) === true;
}

/** What a namespace has settings for: `all`, `default` and its interfaces, those two first. None where it lacks the family. */
export function sysctlInterfaces(netns: Netns, family: 'ipv4' | 'ipv6'): string[] {
  const names = unlessGone(() => netns.run(() => readdirSync(`${ROOT}/${family}/conf`))) ?? [];
  const general = ['all', 'default'];
  return [...general.filter((name) => names.includes(name)), ...names.filter((name) => !general.includes(name))];
}
