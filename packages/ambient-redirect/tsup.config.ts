import { defineConfig } from 'tsup';
import { packageBuild } from '../../scripts/package-build.ts';

// The demo starts its proxy as a process of its own.
const config: ReturnType<typeof defineConfig> = defineConfig(
  packageBuild(import.meta.dirname, { processes: ['proxy/main'] }),
);

export default config;
