/**
 * The programs of the engine, compiled once for all tests: a vitest set-up file. A process that has just begun takes a second to compile those of one
 * pod, and most labs ask for the same ones. Tests of the programs themselves import them by their own files, and compile them;
 * one that changes what they are made of besides facts has to `vi.unmock` this.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { vi } from 'vitest';
import type * as Programs from '../../packages/ambient-redirect/src/programs/index.ts';
import { BUNDLES } from './main-command.ts';

vi.mock('../../packages/ambient-redirect/src/programs/index.ts', async (original) => {
  const programs = await original<typeof Programs>();
  // Gone when the last test has run, and so never older than the sources.
  const directory = join(process.env[BUNDLES] ?? '', 'programs');
  mkdirSync(directory, { recursive: true });
  const once =
    <F, P>(name: string, build: (facts: F) => P): ((facts: F) => P) =>
    (facts) => {
      const digest = createHash('sha1')
        .update(JSON.stringify([name, facts]))
        .digest('hex');
      const path = join(directory, digest);
      try {
        return deserialize(readFileSync(path)) as P;
      } catch {
        const program = build(facts);
        // Other processes see all of it, or nothing.
        writeFileSync(`${path}.${process.pid}`, serialize(program));
        renameSync(`${path}.${process.pid}`, path);
        return program;
      }
    };
  const { appOutbound, appInbound, hostIn, steer, tproxy } = programs;
  return Object.assign({}, programs, {
    appOutbound: once('appOutbound', appOutbound),
    appInbound: once('appInbound', appInbound),
    hostIn: once('hostIn', hostIn),
    steer: once('steer', steer),
    tproxy: once('tproxy', tproxy),
  });
});
