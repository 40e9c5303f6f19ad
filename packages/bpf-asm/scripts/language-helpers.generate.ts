/**
 * Makes `src/lang/helpers.gen.ts` of `helpers.json`: the helpers that programs in the language call, as typed functions, and which program type and licence
 * has which.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const OUTPUT = 'packages/bpf-asm/src/lang/helpers.gen.ts';

interface Entry {
  readonly id: number;
  readonly name: string;
  readonly since: string;
  readonly args: Readonly<Record<string, string>>;
  readonly returns: string;
  readonly gplOnly?: boolean;
  readonly programs: string;
}

/** Program types that the language has. */
const TYPES = ['sched_cls', 'xdp', 'sk_lookup', 'sock_ops', 'sk_msg', 'cgroup_sock_addr', 'cgroup_skb'];

/** What an argument is in TypeScript; nothing for those that the language fills in. A helper with another kind has no typed function. */
const PARAMETERS: Readonly<Record<string, string | undefined>> = {
  any: 'Scalar',
  ctx: undefined,
  ctx_or_null: undefined,
  map: 'MapHandle',
  map_key: 'KeyArgument',
  map_value: 'KeyArgument',
  map_value_out: 'MemoryArgument',
  mem: 'MemoryArgument',
  mem_out: 'MemoryArgument',
  mem_inout: 'MemoryArgument',
  mem_or_null: 'MemoryArgument | null',
  size: undefined,
  size_or_zero: undefined,
  fixed_mem: 'MemoryArgument',
  fixed_mem_out: 'MemoryArgument',
  fixed_mem_inout: 'MemoryArgument',
  sock_common: 'Socket',
  btf_sock_common: 'Socket',
};

const RESULTS: Readonly<Record<string, string>> = {
  integer: "Value<'i64'>",
  void: 'void',
  socket_or_null: 'Lookup<Socket>',
  sock_common_or_null: 'Lookup<Socket>',
};

/** Helpers whose number is not an error or a count. */
const UNSIGNED: Readonly<Record<string, 'u32' | 'u64'>> = {
  get_prandom_u32: 'u32',
  get_smp_processor_id: 'u32',
  get_numa_node_id: 'u32',
  get_hash_recalc: 'u32',
  get_route_realm: 'u32',
  get_cgroup_classid: 'u32',
  skb_cgroup_classid: 'u32',
  get_socket_uid: 'u32',
  ktime_get_ns: 'u64',
  ktime_get_boot_ns: 'u64',
  ktime_get_coarse_ns: 'u64',
  ktime_get_tai_ns: 'u64',
  jiffies64: 'u64',
  get_socket_cookie: 'u64',
  get_netns_cookie: 'u64',
  skb_cgroup_id: 'u64',
  skb_ancestor_cgroup_id: 'u64',
  sk_cgroup_id: 'u64',
  sk_ancestor_cgroup_id: 'u64',
  get_current_cgroup_id: 'u64',
  get_current_ancestor_cgroup_id: 'u64',
  get_current_pid_tgid: 'u64',
  get_current_uid_gid: 'u64',
  get_current_task: 'u64',
  ringbuf_query: 'u64',
  xdp_get_buff_len: 'u64',
};

/** Helpers that have a form of their own in the language. */
const OWN_FORM = new Set([
  'map_lookup_elem',
  'map_update_elem',
  'map_delete_elem',
  'tail_call',
  'sk_release',
  'map_lookup_percpu_elem',
]);

/** The generated files, by path from the root of the repository. */
export function generate(): Record<string, string> {
  const helpers = JSON.parse(readFileSync(join(import.meta.dirname, 'helpers.json'), 'utf8')) as readonly Entry[];
  const known = helpers.filter(
    ({ name, args, returns, programs }) =>
      !OWN_FORM.has(name) &&
      returns in RESULTS &&
      Object.values(args).every((kind) => kind in PARAMETERS) &&
      TYPES.some((type) => has(programs, type)),
  );
  const text = [
    '// Made by scripts/language-helpers.generate.ts from scripts/helpers.json: change these files and run `npm run generate`.',
    "import type { KeyArgument, Scalar } from './helper-arguments.ts';",
    "import type { Lookup } from './lookup.ts';",
    "import type { MapHandle } from './maps.ts';",
    "import type { MemoryArgument } from './memory.ts';",
    "import type { Socket } from './sockets.ts';",
    "import type { Value } from './value.ts';",
    '',
    '/** The helpers of Linux that programs in the language may call, as functions. The context and the sizes of memory are filled in. */',
    '// prettier-ignore',
    'export interface TypedHelpers {',
    ...known.flatMap(declaration),
    '}',
    '',
    '/** Which helpers each type of program has. */',
    '// prettier-ignore',
    'export interface HelpersOf {',
    ...TYPES.map((type) => `  readonly ${type}: ${union(known.filter(({ programs }) => has(programs, type)))};`),
    '}',
    '',
    '/** The helpers that take a GPL-compatible licence. */',
    '// prettier-ignore',
    `export type GplHelper = ${union(known.filter(({ gplOnly }) => gplOnly === true))};`,
    '',
    '/** Helpers whose result is an unsigned number, and its type; that of the others is `i64`. */',
    '// prettier-ignore',
    "export const UNSIGNED_RESULTS: Readonly<Record<string, 'u32' | 'u64'>> = {",
    ...Object.entries(UNSIGNED).map(([name, type]) => `  ${name}: '${type}',`),
    '};',
    '',
  ];
  return { [OUTPUT]: text.join('\n') };
}

function declaration({ name, since, args, returns }: Entry): string[] {
  const parameters = Object.entries(args).flatMap(([argument, kind]) => {
    const type = PARAMETERS[kind];
    return type === undefined ? [] : [`${camel(argument)}: ${type}`];
  });
  const unsigned = UNSIGNED[name];
  const result = unsigned === undefined ? RESULTS[returns] : `Value<'${unsigned}'>`;
  return [
    `  /** \`bpf_${name}\` (Linux ${since}). */`,
    `  readonly ${camel(name)}: (${parameters.join(', ')}) => ${result};`,
  ];
}

function union(helpers: readonly Entry[]): string {
  return helpers.map(({ name }) => `'${camel(name)}'`).join(' | ');
}

/** `programs` is a list of types, or `all` and what is not among them. */
function has(programs: string, type: string): boolean {
  const words = programs.split(' ');
  return words[0] === 'all' ? !words.includes(`-${type}`) : words.includes(type);
}

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
}
