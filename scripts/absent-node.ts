import { isBuiltin } from 'node:module';
import type { Options } from 'tsup';

type Plugin = NonNullable<Options['esbuildPlugins']>[number];

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/**
 * The text of a module that stands for one of Node's in a browser. It exports the same names, so that a bundler finds what is
 * imported: a function throws when it is called, with its name, and `constants` are those of the machine that builds.
 */
async function absentModule(specifier: string): Promise<string> {
  const module = (await import(specifier)) as Readonly<Record<string, unknown>>;
  const names = Object.keys(module).filter((name) => name !== 'default' && IDENTIFIER.test(name));
  return [
    'const absent = (name) => function () {',
    '  throw new Error(`${name} is not there: this build of the package is for browsers, and this needs Node`);',
    '};',
    ...names.map((name) =>
      name === 'constants'
        ? `export const constants = ${JSON.stringify(module[name])};`
        : `export const ${name} = /* @__PURE__ */ absent('${specifier}.${name}');`,
    ),
  ].join('\n');
}

/**
 * An esbuild plugin for browsers: Node's modules become {@link absentModule}s, and packages that load native code modules
 * that throw when they are imported.
 * @param native the packages that load native code
 */
export function absentNode(native: readonly string[]): Plugin {
  return {
    name: 'absent-node',
    setup(build): void {
      build.onResolve({ filter: /^[^./]/ }, ({ path }) =>
        isBuiltin(path) || native.includes(path) ? { path, namespace: 'absent' } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: 'absent' }, async ({ path }) => ({
        contents: native.includes(path)
          ? `throw new Error('${path} loads native code, and this build of the package is for browsers'); export default {};`
          : await absentModule(path),
      }));
    },
  };
}
