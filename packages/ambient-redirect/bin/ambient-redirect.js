#!/usr/bin/env node
// Committed, so that `npm ci` can link it before anything is built. The command itself is src/cli/main.ts.
await import('../dist/cli/main.js');
