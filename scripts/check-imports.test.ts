import { describe, expect, test } from 'vitest';
import { forbiddenImports, wrongDependencies } from './check-imports.ts';
import { LAYERS, type PackageRules } from './layers.ts';

const inFile = (path: string, text: string): string[] => forbiddenImports([{ path: `packages/${path}`, text }]);

describe('forbiddenImports', () => {
  test.each([
    ['a lower part importing a higher one', 'bpf-asm/src/isa/encode.ts', `import { link } from '../asm/link.ts';`],
    ['a type import', 'bpf-asm/src/isa/encode.ts', `import type { Link } from '../asm/link.ts';`],
    ['a re-export', 'bpf-asm/src/isa/index.ts', `export * from '../text/index.ts';`],
    ['a dynamic import', 'bpf-asm/src/isa/encode.ts', `const m = await import('../vm/index.ts');`],
    ['an import type', 'bpf-asm/src/isa/encode.ts', `let m: import('../vm/index.ts').Machine;`],
    ['a lower floor importing a higher one', 'bpf-asm/src/isa/encode.ts', `import { errnoName } from 'netlink-tc';`],
    ['a path into another package', 'netlink-tc/src/bpf/map.ts', `import '../../../bpf-asm/src/isa/encode.ts';`],
    ['a path out of the package', 'netlink-tc/src/bpf/map.ts', `import '../../../../scripts/layers.ts';`],
    ['a Node module in the assembler', 'bpf-asm/src/text/parse.ts', `import { readFileSync } from 'node:fs';`],
    ['a Node module without its prefix', 'netlink-tc/src/sys/fd.ts', `import { readFileSync } from 'fs';`],
    ['a dependency that is not allowed', 'bpf-asm/src/text/parse.ts', `import _ from 'lodash';`],
    ['a dependency outside its seam', 'netlink-tc/src/tc/tcx.ts', `import koffi from 'koffi';`],
    ['the command in the library', 'bpf-asm/src/index.ts', `export * from './cli/main.ts';`],
    ['a part that nobody placed', 'bpf-asm/src/misc/odd.ts', `import { encode } from '../isa/encode.ts';`],
    ['a package that nobody placed', 'other/src/index.ts', `import 'bpf-asm';`],
    ['an import without extension', 'bpf-asm/src/isa/encode.ts', `import { opcode } from './opcode';`],
  ])('finds %s', (_what, path, text) => {
    expect(inFile(path, `// first line\n${text}\n`)).toEqual([expect.stringContaining(`packages/${path}:2: imports `)]);
  });

  test.each([
    ['bpf-asm/src/asm/link.ts', `import { encode } from '../isa/encode.ts';`],
    ['bpf-asm/src/isa/encode.ts', `import { OPCODES } from './opcode.ts';`],
    ['bpf-asm/src/index.ts', `export * from './vm/index.ts';`],
    ['bpf-asm/src/cli/main.ts', `import { readFileSync } from 'node:fs';`],
    ['bpf-asm/src/asm/tag.ts', `import { sha256 } from '@noble/hashes/sha2.js';`],
    [
      'bpf-asm/src/isa/encode.test.ts',
      `import { readFileSync } from 'node:fs'; import '../../../../test/support/needs.ts';`,
    ],
    ['netlink-tc/src/sys/koffi.ts', `import koffi from 'koffi'; import { encode } from 'bpf-asm/isa';`],
    ['bpf-asm/src/isa/encode.ts', `// import '../vm/index.ts'\nconst s = "import '../vm/index.ts'";`],
  ])('leaves %s alone', (path, text) => {
    expect(inFile(path, text)).toEqual([]);
  });
});

describe('wrongDependencies', () => {
  const rules: PackageRules = {
    below: ['bpf-asm'],
    dependencies: { koffi: ['sys'] },
    optional: {},
    node: [],
    parts: {},
  };

  test('finds what the manifest has too much and too little', () => {
    const found = wrongDependencies('x', { dependencies: { 'bpf-asm': '1', lodash: '1' } }, rules);
    expect(found).toEqual([expect.stringContaining('has lodash'), expect.stringContaining('lacks koffi')]);
  });

  test('accepts what agrees', () => {
    expect(wrongDependencies('x', { dependencies: { 'bpf-asm': '1', koffi: '1' } }, rules)).toEqual([]);
  });
});

describe('LAYERS', () => {
  test.each(Object.entries(LAYERS))('%s lists its parts lowest first, so there is no cycle', (_name, { parts }) => {
    const seen = new Set<string>();
    for (const [part, imports] of Object.entries(parts)) {
      expect(
        imports.filter((each) => !seen.has(each)),
        part,
      ).toEqual([]);
      seen.add(part);
    }
  });
});
