import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Vm, type Program } from 'bpf-asm';
import { isNetlinkTcError, loadProgram, openSys } from 'netlink-tc';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { describeWith, root } from './support/needs.ts';

/** Snippets of the guide by the names in their first lines, and the listing in it. */
const REPOSITORY = resolve(import.meta.dirname, '..');
const guide = readFileSync(join(REPOSITORY, 'docs/language.md'), 'utf8');
const snippets = new Map<string, string>();
for (const [, text = ''] of guide.matchAll(/^```ts\n(.*?)^```$/gms)) {
  const name = /^\/\/ (?<name>[\w.-]+\.ts)\n/.exec(text)?.groups?.['name'];
  if (name === undefined || snippets.has(name)) throw new Error(`a snippet has no name of its own:\n${text}`);
  snippets.set(name, text);
}
const shown = /^```listing\n(.*?)\n```$/ms.exec(guide)?.[1];

// Here, so that the packages are found by their names.
const directory = mkdtempSync(join(import.meta.dirname, 'guide-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
for (const [name, text] of snippets) writeFileSync(join(directory, name), text);
const load = async (name: string): Promise<Record<string, unknown>> =>
  (await import(join(directory, name))) as Record<string, unknown>;

// The guide's own tests run with these.
await load('drop-telnet.test.ts');

/** Every program that the snippets make. */
async function programs(): Promise<readonly (readonly [snippet: string, program: Program])[]> {
  const found: [string, Program][] = [];
  for (const name of snippets.keys()) {
    if (name.endsWith('.test.ts')) continue;
    for (const value of Object.values(await load(name))) {
      if (typeof value === 'object' && value !== null && 'instructions' in value) found.push([name, value as Program]);
    }
  }
  const { onlyFrom } = (await load('choices.ts')) as { onlyFrom: (networks: object) => Program };
  return [...found, ['choices.ts', onlyFrom({ ipv4: '10.0.0.0/8' })], ['choices.ts', onlyFrom({})]];
}

describe('the guide to the language', () => {
  it('has snippets that the type checker takes', () => {
    const { config } = ts.readConfigFile(join(REPOSITORY, 'tsconfig.base.json'), (path) => ts.sys.readFile(path)) as {
      readonly config: { readonly compilerOptions: object };
    };
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, REPOSITORY);
    Object.assign(options, { isolatedDeclarations: false, declaration: false, noEmit: true });
    const program = ts.createProgram(
      [...snippets.keys()].map((name) => join(directory, name)),
      options,
    );
    const found: string[] = [];
    for (const file of program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(directory))) {
      const diagnostics: ts.Diagnostic[] = [];
      diagnostics.push(...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file));
      for (const { messageText } of diagnostics) {
        found.push(`${file.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
      }
    }
    expect(found).toEqual([]);
  }, 60_000);

  it('shows the listing that there is', async () => {
    const { listing } = (await load('listing.ts')) as { listing: (program: Program) => string };
    const { empty } = (await load('empty.ts')) as { empty: Program };
    expect(listing(empty)).toBe(shown);
  });

  it('has programs that run in the interpreter', async () => {
    const made = await programs();
    expect(made.length).toBeGreaterThan(10);
    const verdicts = made
      .filter(([, { type }]) => type !== 'cgroup_skb')
      .map(([, program]) => {
        const input = program.type === 'sk_lookup' ? { context: { local_port: 80 } } : { packet: new Uint8Array(100) };
        return new Vm(program).run(input).verdict;
      });
    expect(verdicts.every((verdict) => Number.isInteger(verdict))).toBe(true);
  });
});

describeWith([root], 'the guide to the language, in the kernel', () => {
  it('has programs that the verifier takes, and one that it refuses at its line', async () => {
    const sys = await openSys();
    const refused: string[] = [];
    for (const [name, program] of await programs()) {
      try {
        loadProgram(sys, program).close();
      } catch (error) {
        if (!isNetlinkTcError(error, 'ERR_VERIFIER')) throw error;
        refused.push(`${name}: ${error.verifier?.log}`);
      }
    }
    expect(refused).toEqual([expect.stringMatching(/^refused\.ts: [^]*refused\.ts:5/)]);
  });

  it('has a loader that works', async () => {
    const { tryOut } = (await load('load.ts')) as { tryOut: (program: Program, packet: Uint8Array) => Promise<number> };
    const { empty } = (await load('empty.ts')) as { empty: Program };
    expect(await tryOut(empty, new Uint8Array(60))).toBe(0xffff_ffff);
  });
});
