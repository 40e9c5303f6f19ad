import { availableParallelism } from 'node:os';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Tests run from the sources: the private condition `@ambient/source` comes first in every package's exports.
const config: ViteUserConfig = defineConfig({
  ssr: {
    resolve: {
      conditions: ['@ambient/source', 'module', 'node', 'development|production'],
      externalConditions: ['@ambient/source', 'node'],
    },
  },
  test: {
    include: [
      'packages/*/{src,scripts,test}/**/*.test.ts',
      'test/**/*.test.ts',
      'scripts/**/*.test.ts',
      'examples/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    globalSetup: ['test/support/residue.ts', 'test/support/bundles.ts'],
    setupFiles: ['test/support/compiled-once.ts'],
    // Processes, not threads: native code and namespaces are per process, and a crash takes one file down, not the run.
    pool: 'forks',
    // More than there are CPUs: tests of the kernel wait a third of their time.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    testTimeout: 20_000,
    hookTimeout: 20_000,
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/*.gen.ts'],
    },
  },
});

export default config;
