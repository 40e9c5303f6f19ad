/**
 * Makes `src/helpers/helpers.gen.ts` of `helpers.json`, the table of the kernel's helper functions, one line a helper.
 *
 * Where the table comes from: numbers and names from `enum bpf_func_id` of Linux 6.18; names of arguments from the comments
 * of `include/uapi/linux/bpf.h`; kinds of arguments and results from the `struct bpf_func_proto` definitions of 6.12, of the
 * first program type in the order tc, XDP, sk_lookup, sock_ops, and so on, where there are several; what changes a packet
 * from `bpf_helper_changes_pkt_data` in `net/core/filter.c`. Licences and program types were asked of the verifier of 6.18,
 * by loading a call of each helper into each program and attach type; for `lsm`, `lirc_mode2`, `fentry` and `fexit`, which
 * that machine refuses, they are from the `func_proto` functions of 6.12. A test asks the running kernel again.
 *
 * `programs` names program types; `all -xdp` is all but XDP.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM_TYPE } from '../src/asm/kernel-types.ts';

const OUTPUT = 'packages/bpf-asm/src/helpers/helpers.gen.ts';

/** A line of the table. */
interface Line {
  readonly id: number;
  readonly name: string;
  readonly since: string;
  readonly args: Readonly<Record<string, string>>;
  readonly returns: string;
  readonly gplOnly?: boolean;
  readonly changesPacket?: boolean;
  readonly programs: string;
}

/** The generated files, by path from the root of the repository. */
export function generate(): Record<string, string> {
  const helpers = JSON.parse(readFileSync(join(import.meta.dirname, 'helpers.json'), 'utf8')) as readonly Line[];
  const sets = [...new Set(helpers.map(({ programs }) => programs))];
  const text = [
    '// Made by scripts/helpers.generate.ts from scripts/helpers.json: change that file and run `npm run generate`.',
    "import type { ProgramType } from '../asm/kernel-types.ts';",
    "import type { Helper } from './helper.ts';",
    '',
    '// prettier-ignore',
    'const PROGRAMS: readonly (readonly ProgramType[])[] = [',
    ...sets.map((words) => `  [${programsOf(words).map(quoted).join(', ')}],`),
    '];',
    '',
    '/** Every helper function of Linux (`enum bpf_func_id`), in the order of its number. No kernel since 6.2 has added one. */',
    '// prettier-ignore',
    'export const HELPERS: readonly Helper[] = [',
    ...helpers.map((line) => `  ${helper(line, sets.indexOf(line.programs))},`),
    '];',
    '',
  ];
  return { [OUTPUT]: text.join('\n') };
}

/** Program types of words such as `sched_cls xdp` or `all -xdp`. No helper is of `ext` programs as such. */
function programsOf(words: string): string[] {
  const every = Object.keys(PROGRAM_TYPE).filter((type) => type !== 'ext');
  const [first, ...rest] = words.split(' ');
  if (first !== 'all') return words.split(' ');
  return every.filter((type) => !rest.includes(`-${type}`));
}

function helper({ id, name, since, args, returns, gplOnly = false, changesPacket = false }: Line, set: number): string {
  const list = Object.entries(args).map(([argument, kind]) => `{ name: ${quoted(argument)}, kind: ${quoted(kind)} }`);
  return `{ id: ${id}, name: ${quoted(name)}, since: ${quoted(since)}, args: [${list.join(', ')}], returns: ${quoted(returns)}, gplOnly: ${gplOnly}, changesPacket: ${changesPacket}, programs: PROGRAMS[${set}] ?? [] }`;
}

function quoted(word: string): string {
  return `'${word}'`;
}
