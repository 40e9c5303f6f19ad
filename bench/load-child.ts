/**
 * The process that load.bench.ts measures: loads the pieces of the redirect and pins them in a directory; from object files, where they are
 * named, or compiled here and now.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readObject, type Program } from 'bpf-asm';
import { loadProgram, openSys, pin, type Sys } from 'netlink-tc';

/** The pieces for both families of addresses. */
export const DUAL: readonly string[] = ['app_outbound', 'app_inbound', 'host_in', 'steer', 'tproxy'].map(
  (piece) => `${piece}_dual`,
);

/** The pieces, compiled. */
export async function compileAll(): Promise<() => Program[]> {
  const { PIECES } = await import('../packages/bpf-asm/src/lang/pieces/all.ts');
  return () =>
    DUAL.map((name) => {
      const program = PIECES[name]?.();
      if (program === undefined) throw new Error(`there is no piece ${name}`);
      return program;
    });
}

/** Loads and pins programs, each as a file in `directory`. */
export function loadAll(sys: Sys, programs: readonly Program[], directory: string): void {
  programs.forEach((program, i) => {
    using loaded = loadProgram(sys, program);
    pin(sys, loaded, join(directory, `p${i}`));
  });
}

/** The programs of object files. */
function readAll(objects: readonly string[]): Program[] {
  return objects.flatMap((object) => readObject(readFileSync(object)).programs);
}

const [, , directory, ...objects] = process.argv;
if (directory !== undefined) {
  loadAll(await openSys(), objects.length > 0 ? readAll(objects) : (await compileAll())(), directory);
}
