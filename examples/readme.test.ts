import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSys } from 'netlink-tc';
import ts from 'typescript';
import { expect, onTestFinished, test } from 'vitest';
import { statePath } from '../packages/ambient-redirect/test/state.ts';
import { startProxy } from '../test/support/lab-proxy.ts';
import { createLab } from '../test/support/lab.ts';
import { describeWith, root } from '../test/support/needs.ts';

const REPOSITORY = join(import.meta.dirname, '..');
const readme = readFileSync(join(REPOSITORY, 'packages/ambient-redirect/README.md'), 'utf8');
const snippet = /^```ts\n(.*?)^```$/ms.exec(readme)?.[1] ?? '';

/** Writes the snippet where the packages are found by their names, with the places of a lab in it. */
function write(places: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(import.meta.dirname, 'readme-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'snippet.ts');
  const text = Object.entries(places).reduce((all, [shown, used]) => {
    expect(all).toContain(shown);
    return all.replace(shown, used);
  }, snippet);
  writeFileSync(file, text);
  return file;
}

test('the README of ambient-redirect imports it in fifteen lines that the type checker takes', () => {
  expect(snippet.trim().split('\n')).toHaveLength(15);
  const base = join(REPOSITORY, 'tsconfig.base.json');
  const { config } = ts.readConfigFile(base, (path) => ts.sys.readFile(path)) as {
    readonly config: { readonly compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, REPOSITORY);
  const file = write({});
  const program = ts.createProgram([file], {
    ...options,
    isolatedDeclarations: false,
    declaration: false,
    noEmit: true,
  });
  const found = ts.getPreEmitDiagnostics(program, program.getSourceFile(file));
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([]);
}, 120_000);

describeWith([root], 'the README of ambient-redirect', () => {
  test('has fifteen lines that enroll a pod', { timeout: 120_000 }, async () => {
    const sys = await openSys();
    await using lab = await createLab(sys);
    const proxy = await startProxy(lab.proxy);
    const directory = statePath(sys);
    const file = write({
      "podCidrs: ['10": `directory: '${directory}', podCidrs: ['10`,
      '/run/netns/ztunnel': lab.proxy.path,
      '/run/netns/cart': lab.client.path,
    });
    const run = lab.node.spawn([process.execPath, '--conditions=@ambient/source', '--import', 'tsx', file]);
    expect(await run.ended(), run.output).toBe(0);
    const [first, second, third] = run.output.split('\n');
    expect(first).toMatch(new RegExp(`^${lab.client.ipv4}, ${lab.client.ipv6} on v-client by (tcx|clsact)$`));
    expect(second).toBe('shop/cart enrolled');
    expect(third).toMatch(/^shop\/cart \[/);
    expect(proxy.running).toBe(true);
    expect(existsSync(directory)).toBe(false);
  });
});
