/**
 * The architecture check: every import of every package against the table in layers.ts.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import ts from 'typescript';
import { repositoryFiles } from './files.ts';
import { LAYERS, type PackageRules } from './layers.ts';

/** A source file: its path from the root of the repository, with slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

const SOURCE = /^packages\/(?<name>[^/]+)\/src\/(?<inner>.+)$/;

/** `@noble/hashes/sha2.js` is of `@noble/hashes`, `bpf-asm/isa` of `bpf-asm`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The part of a package that a path below `src` belongs to: its first folder, or the file itself. */
function partOf(inner: string): string {
  return (inner.split('/')[0] ?? inner).replace(/\.ts$/, '');
}

/** Why an import is forbidden, or nothing where it is fine. */
function objection(
  file: string,
  specifier: string,
  layers: Readonly<Record<string, PackageRules>>,
): string | undefined {
  const { name = '', inner = '' } = SOURCE.exec(file)?.groups ?? {};
  const rules = layers[name];
  if (rules === undefined) return `package ${name} is not in scripts/layers.ts`;
  const part = partOf(inner);
  const isTest = inner.endsWith('.test.ts');

  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    const found = SOURCE.exec(target)?.groups;
    if (found === undefined) return isTest ? undefined : 'leaves the package';
    if (found['name'] !== name) return 'reaches into another package: import it by its name';
    if (!/\.(ts|json)$/.test(specifier)) return 'names no file: write the extension';
    if (isTest) return undefined;
    const targetPart = partOf(found['inner'] ?? '');
    if (targetPart === part) return undefined;
    if (part === 'index') return targetPart === 'cli' ? 'puts the command into the library' : undefined;
    const allowed = rules.parts[part];
    if (allowed === undefined) return `part ${part} is not in scripts/layers.ts: say there where it stands`;
    return allowed.includes(targetPart) ? undefined : `${part} may not import ${targetPart}`;
  }
  if (isTest) return undefined;
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith('node:')) return 'write the node: prefix';
    if (rules.node === 'everywhere' || rules.node.includes(part)) return undefined;
    return `only ${rules.node.join(', ')} of ${name} may use Node's modules`;
  }
  const imported = packageOf(specifier);
  if (rules.below.includes(imported)) return undefined;
  const parts = rules.dependencies[imported] ?? rules.optional[imported];
  if (parts === undefined) return `${imported} is no dependency that ${name} may have`;
  return parts.includes(part) ? undefined : `only ${parts.join(', ')} of ${name} may import ${imported}`;
}

/**
 * The forbidden imports among the given files: `import`, `export … from`, `import()`, `require()` and `import('…').Type`.
 * Tests may import anything but the inside of another package.
 * @returns one line for each, `path:line: imports 'specifier': reason`
 */
export function forbiddenImports(
  files: Iterable<SourceFile>,
  layers: Readonly<Record<string, PackageRules>> = LAYERS,
): string[] {
  const found: string[] = [];
  for (const { path, text } of files) {
    for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles) {
      const reason = objection(path, fileName, layers);
      if (reason === undefined) continue;
      const line = text.slice(0, pos).split('\n').length;
      found.push(`${path}:${line}: imports '${fileName}': ${reason}`);
    }
  }
  return found;
}

/** The parts of a package's manifest that the table speaks about. */
export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The dependencies that a package's manifest has and the table does not, or the other way round. */
export function wrongDependencies(name: string, manifest: Manifest, rules: PackageRules): string[] {
  const found: string[] = [];
  const compare = (field: keyof Manifest, wanted: readonly string[]): void => {
    const actual = Object.keys(manifest[field] ?? {});
    for (const extra of actual.filter((each) => !wanted.includes(each)))
      found.push(`packages/${name}/package.json: ${field} has ${extra}, which scripts/layers.ts does not allow`);
    for (const absent of wanted.filter((each) => !actual.includes(each)))
      found.push(`packages/${name}/package.json: ${field} lacks ${absent}, which scripts/layers.ts names`);
  };
  compare('dependencies', [...rules.below, ...Object.keys(rules.dependencies)]);
  compare('peerDependencies', Object.keys(rules.optional));
  compare('optionalDependencies', []);
  return found;
}

function main(): void {
  const paths = repositoryFiles().filter((path) => SOURCE.test(path) && path.endsWith('.ts'));
  const files = paths.map((path) => ({ path, text: readFileSync(path, 'utf8') }));
  const found = forbiddenImports(files);
  for (const [name, rules] of Object.entries(LAYERS)) {
    const manifest = JSON.parse(readFileSync(`packages/${name}/package.json`, 'utf8')) as Manifest;
    found.push(...wrongDependencies(name, manifest, rules));
  }
  for (const line of found) console.error(line);
  console.log(`${files.length} files, ${found.length} forbidden imports or dependencies`);
  process.exitCode = found.length === 0 ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) main();
