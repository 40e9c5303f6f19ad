/**
 * Who may import whom: the one table. `check-imports.ts` enforces it, and the table of docs/architecture.md is made of it.
 */

/** What the inner parts of a package may import. A part is a folder of `src`, or a file directly in it. */
export interface PackageRules {
  /** Other packages of this repository: floors below. */
  readonly below: readonly string[];
  /** Third-party packages at run time, each with the parts that may import it. */
  readonly dependencies: Readonly<Record<string, readonly string[]>>;
  /** Packages that are optional at run time (peers), each with the parts that may import it. */
  readonly optional: Readonly<Record<string, readonly string[]>>;
  /** The parts that may use Node's own modules. */
  readonly node: 'everywhere' | readonly string[];
  /** Each part, lower ones first, with the parts it may import. */
  readonly parts: Readonly<Record<string, readonly string[]>>;
}

/** The floors, lowest first. */
export const LAYERS: Readonly<Record<string, PackageRules>> = {
  'bpf-asm': {
    below: [],
    dependencies: { '@noble/hashes': ['asm'] },
    optional: {},
    node: ['cli'],
    parts: {
      source: [],
      error: ['source'],
      isa: ['source', 'error'],
      layout: ['source', 'error', 'isa'],
      asm: ['source', 'error', 'isa', 'layout'],
      btf: ['source', 'error', 'isa', 'layout'],
      helpers: ['source', 'error', 'isa', 'asm'],
      text: ['source', 'error', 'isa', 'asm', 'helpers'],
      vm: ['source', 'error', 'isa', 'asm', 'layout', 'helpers'],
      elf: ['source', 'error', 'isa', 'asm', 'layout', 'btf'],
      compile: ['source', 'error', 'isa', 'asm', 'layout', 'helpers'],
      lang: ['source', 'error', 'isa', 'asm', 'layout', 'btf', 'helpers', 'text', 'compile'],
      cli: ['source', 'error', 'isa', 'asm', 'layout', 'btf', 'helpers', 'text', 'vm', 'elf', 'compile', 'lang'],
    },
  },
  'netlink-tc': {
    below: ['bpf-asm'],
    dependencies: { koffi: ['sys'] },
    optional: { 'ffi-rs': ['sys'] },
    node: 'everywhere',
    parts: {
      errno: [],
      error: ['errno'],
      sys: ['errno', 'error'],
      netns: ['errno', 'error', 'sys'],
      bpf: ['errno', 'error', 'sys'],
      netlink: ['errno', 'error', 'sys', 'netns'],
      rtnl: ['errno', 'error', 'sys', 'netns', 'netlink'],
      diag: ['errno', 'error', 'sys', 'netns', 'netlink', 'rtnl'],
      process: ['errno', 'error', 'sys', 'netns', 'netlink', 'rtnl', 'diag'],
      tc: ['errno', 'error', 'sys', 'netns', 'netlink', 'rtnl', 'bpf'],
    },
  },
  'ambient-redirect': {
    below: ['bpf-asm', 'netlink-tc'],
    dependencies: { commander: ['cli'], yaml: ['config'], valibot: ['config'], 'prom-client': ['metrics'] },
    optional: {},
    node: 'everywhere',
    parts: {
      ports: [],
      error: [],
      maps: ['error', 'ports'],
      programs: ['error', 'ports', 'maps'],
      policy: ['error', 'programs'],
      topology: ['error'],
      node: ['error', 'topology'],
      proxy: ['error', 'ports'],
      chain: ['error'],
      observe: ['error', 'maps'],
      engine: ['error', 'ports', 'maps', 'programs', 'policy', 'topology', 'node', 'chain', 'observe'],
      metrics: ['observe', 'engine'],
      demo: ['error', 'proxy', 'engine'],
      control: ['error', 'engine', 'observe'],
      config: ['error', 'ports', 'policy', 'engine', 'control'],
      agent: ['error', 'engine', 'observe', 'control', 'config'],
      doctor: ['error', 'ports', 'topology', 'node', 'proxy', 'engine', 'demo'],
      report: ['error', 'ports', 'maps', 'chain', 'observe', 'engine', 'control'],
      // prettier-ignore
      cli: [
        'error', 'ports', 'maps', 'programs', 'policy', 'topology', 'node', 'proxy', 'chain', 'observe', 'engine', 'metrics', 'demo', 'control',
        'config', 'agent', 'doctor', 'report',
      ],
    },
  },
};
