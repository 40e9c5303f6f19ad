import { build } from 'tsup';

/**
 * Bundles files that run as processes of their own into plain JavaScript. Started from the sources, most of the time that they take on an emulated
 * machine would be spent on reading TypeScript.
 * @param mains the files, without `.ts`, from the project's root
 * @param directory where the bundles go, each at its own path; what was there is gone
 */
export async function bundleMains(mains: readonly string[], directory: string): Promise<void> {
  await build({
    entry: Object.fromEntries(mains.map((main) => [main, `${main}.ts`])),
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
}
