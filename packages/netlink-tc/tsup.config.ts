import { defineConfig } from 'tsup';
import { packageBuild } from '../../scripts/package-build.ts';

const config: ReturnType<typeof defineConfig> = defineConfig(packageBuild(import.meta.dirname));

export default config;
