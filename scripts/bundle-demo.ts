import { join } from 'node:path';
import { build } from 'tsup';

/**
 * Bundles the demo and its proxy into plain JavaScript. Started from the sources, most of the time that they take on an emulated machine would be
 * spent on compiling TypeScript.
 * @param directory where the bundle goes; what was there is gone
 * @returns the demo's file
 */
export async function bundleDemo(directory: string): Promise<string> {
  await build({
    entry: Object.fromEntries(
      ['demo/main', 'proxy/main'].map((name) => [name, `packages/ambient-redirect/src/${name}.ts`]),
    ),
    outDir: directory,
    clean: true,
    config: false,
    format: ['esm'],
    splitting: false,
    noExternal: [/^(bpf-asm|netlink-tc)$/],
    external: ['koffi', 'ffi-rs'],
    target: 'node20',
    platform: 'node',
    silent: true,
    esbuildOptions: (options) => {
      options.conditions = ['@ambient/source'];
    },
  });
  return join(directory, 'demo', 'main.js');
}
