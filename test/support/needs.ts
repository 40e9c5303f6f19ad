import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, test } from 'vitest';

/** Something that a group of tests cannot do without. */
export interface Need {
  /** What it is, as the name of a skipped group says it. */
  readonly name: string;
  /** Why it is not there, or nothing where it is. */
  missing(): string | undefined;
}

/** Numbers of capabilities(7) that the kernel tests use. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_BPF: 39 } as const;

/** A root that may administer the network, load programs and make namespaces: not every container's root can. */
export const root: Need = {
  name: 'root',
  missing(): string | undefined {
    if (process.getuid?.() !== 0) return 'not root';
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    const lacking = Object.entries(CAPABILITIES).filter(
      ([, bit]) => ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 0n,
    );
    return lacking.length === 0 ? undefined : `root without ${lacking.map(([name]) => name).join(', ')}`;
  },
};

/** A command that must be on the PATH (or in /usr/sbin, where an ordinary user's PATH does not look). */
export function tool(command: string): Need {
  return {
    name: command,
    missing(): string | undefined {
      const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
      return directories.some((directory) => existsSync(join(directory, command))) ? undefined : `no ${command}`;
    },
  };
}

/** A file of the machine, such as `/sys/kernel/btf/vmlinux`. */
export function file(path: string): Need {
  return { name: path, missing: () => (existsSync(path) ? undefined : `no ${path}`) };
}

/** What becomes of a group with these needs. */
export type Outcome = { readonly kind: 'run' } | { readonly kind: 'skip' | 'fail'; readonly reason: string };

/**
 * Decides whether a group can run here: it is skipped with a reason where something is missing, but under `CI=true` it
 * fails, so that no run of the whole suite passes by leaving tests out.
 */
export function outcome(needs: readonly Need[], ci: boolean = process.env['CI'] === 'true'): Outcome {
  const reasons = needs.map((need) => need.missing()).filter((reason) => reason !== undefined);
  if (reasons.length === 0) return { kind: 'run' };
  return { kind: ci ? 'fail' : 'skip', reason: reasons.join(', ') };
}

/**
 * A group of tests that needs something of the machine.
 * @param needs what must be there
 * @param name the group's name
 * @param body registers the tests, as in vitest's `describe`; called only where they can run
 * @example
 * ```ts
 * describeWith([root, tool('bpftool')], 'program load', () => {
 *   test('the kernel takes what we encode', () => {});
 * });
 * ```
 */
export function describeWith(needs: readonly Need[], name: string, body: () => void): void {
  const result = outcome(needs);
  if (result.kind === 'run') {
    describe(name, body);
  } else if (result.kind === 'skip') {
    test.skip(`${name} (skipped: ${result.reason})`);
  } else {
    test(name, () => {
      throw new Error(`cannot run here, and CI=true allows no skipping: ${result.reason}`);
    });
  }
}
