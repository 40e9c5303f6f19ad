import { build } from 'esbuild';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** What a bundler for browsers makes of a program, from the packages as they are built: `npm ci` has built them. */
async function bundle(program: string): Promise<string> {
  const { outputFiles, warnings } = await build({
    stdin: { contents: program, resolveDir: ROOT },
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'program',
    write: false,
    logLevel: 'silent',
  });
  // That one a user does not see: esbuild keeps it to itself for what is in a directory named node_modules.
  expect(warnings.filter(({ id }) => id !== 'ignored-bare-import')).toEqual([]);
  return outputFiles[0]?.text ?? '';
}

/** What a built package exports to Node. Importing it here would give its sources. */
async function exportsOf(from: string): Promise<readonly string[]> {
  const { metafile } = await build({
    stdin: { contents: `export * from '${from}'`, resolveDir: ROOT },
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi', 'ffi-rs'],
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  return Object.values(metafile.outputs).flatMap((output) => output.exports);
}

/** Runs a bundle where there is the language and what every browser has of the web, and nothing of Node; the program's `result`. */
async function run(code: string): Promise<unknown> {
  const web = { TextEncoder, TextDecoder, AbortController, AbortSignal, setTimeout, clearTimeout, queueMicrotask };
  const context = createContext({ ...web });
  expect(runInContext('[typeof process, typeof Buffer, typeof require, typeof global]', context)).toEqual(
    Array.from({ length: 4 }, () => 'undefined'),
  );
  return JSON.parse(String(await runInContext(`${code}; program.result.then(JSON.stringify)`, context)));
}

/** A program that calls one function, and says how it fails. */
const failing = (from: string, name: string, ...values: readonly unknown[]): string => `
  import { ${name} } from '${from}';
  const call = async () => ${name}(...${JSON.stringify(values)});
  export const result = call().then(
    () => 'nothing was thrown',
    ({ name, code, message }) => ({ name, code, message }),
  );`;

describe('in a browser', () => {
  const UNSUPPORTED = {
    name: 'NetlinkTcError',
    code: 'ERR_UNSUPPORTED_PLATFORM',
    message: expect.stringContaining('this needs Node on Linux, not a browser'),
  };

  test.each([
    ['netlink-tc', []],
    ['netlink-tc', [{ backend: 'ffi-rs' }]],
    ['netlink-tc/sys', []],
  ])('importing %s is safe, and openSys(...%j) says that it is not for it', async (from, values) => {
    expect(await run(await bundle(failing(from, 'openSys', ...values)))).toEqual(UNSUPPORTED);
  });

  test.each(['bpf-asm', 'netlink-tc', 'netlink-tc/bpf', 'ambient-redirect', 'ambient-redirect/proxy'])(
    'everything of %s can be imported',
    async (from) => {
      const code = await bundle(
        `import * as all from '${from}'; export const result = Promise.resolve(Object.keys(all).sort());`,
      );
      const names = await exportsOf(from);
      expect(names.length).toBeGreaterThan(0);
      expect(await run(code)).toEqual(names.toSorted());
    },
  );

  test('the engine says it too', async () => {
    const code = await bundle(`
      import { RedirectEngine } from 'ambient-redirect';
      export const result = RedirectEngine.open().catch(({ name, code, message }) => ({ name, code, message }));`);
    expect(await run(code)).toEqual(UNSUPPORTED);
  });

  test('the recording fake works, and names what it is told to refuse with', async () => {
    const code = await bundle(`
      import { createFakeSys, createMap } from 'netlink-tc';
      const sys = createFakeSys({ answer: () => -116 });
      const call = async () => createMap(sys, { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 });
      export const result = call().catch(({ code, message }) => ({ code, message, calls: sys.calls.length }));`);
    expect(await run(code)).toMatchObject({ code: 'ERR_STALE', message: expect.stringContaining('ESTALE'), calls: 1 });
  });

  test('what needs a module of Node names it', async () => {
    expect(await run(await bundle(failing('netlink-tc', 'findBpffs')))).toMatchObject({
      message: 'node:fs.readFileSync is not there: this build of the package is for browsers, and this needs Node',
    });
  });
});
