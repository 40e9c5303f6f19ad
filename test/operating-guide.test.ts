/** The commands of the guide for operators, run as they stand there. */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { RedirectEngine } from 'ambient-redirect';
import { openSys } from 'netlink-tc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMAND } from '../packages/ambient-redirect/test/command.ts';
import { startProxy } from './support/lab-proxy.ts';
import { createLab, type Lab } from './support/lab.ts';
import { describeWith, root } from './support/needs.ts';
import { TEMP_PREFIX } from './support/temp.ts';

const guide = readFileSync(resolve(import.meta.dirname, '../docs/operating.md'), 'utf8');
const blocks = [...guide.matchAll(/^```(?<language>\w+)\n(?<text>.*?)^```$/gms)].map(({ groups }) => ({
  language: groups?.['language'] ?? '',
  text: groups?.['text'] ?? '',
}));
const lines = blocks.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trim().split('\n'));

/** A command takes a second to start from its sources; `doctor` makes its programs, and several run at a time. */
const LIMIT_MS = 120_000;

describeWith([root], 'the guide for operators', () => {
  const state = `/sys/fs/bpf/ambient-test-guide-${process.pid}`;
  let lab: Lab;
  let directory: string;
  let run: (line: string) => Promise<unknown>;

  beforeAll(async () => {
    lab = await createLab(await openSys());
    await lab.server.serveHttp();
    await startProxy(lab.proxy);
    directory = mkdtempSync(join(tmpdir(), TEMP_PREFIX));
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    const quote = (word: string): string => `'${word}'`;
    const words = (...all: readonly string[]): string => all.map(quote).join(' ');
    const node = words('--directory', state, '--host', lab.node.path);
    const socket = words('--socket', join(directory, 'agent.sock'));
    // What the guide leaves to the defaults, the test says.
    const script = [
      '#!/bin/sh',
      `case "$1" in --version) ;; doctor) set -- "$@" ${node};; *) set -- "$@" ${node} ${socket};; esac`,
      `exec ${words(...COMMAND)} "$@"`,
    ].join('\n');
    writeFileSync(join(bin, 'ambient-redirect'), script);
    chmodSync(join(bin, 'ambient-redirect'), 0o755);
    const places = (text: string): string =>
      text.replaceAll('/run/netns/ztunnel', lab.proxy.path).replaceAll('/run/netns/cart', lab.client.path);
    const yaml = blocks.find(({ language }) => language === 'yaml')?.text ?? '';
    writeFileSync(join(directory, 'agent.yaml'), places(yaml));
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    run = (line) => promisify(execFile)('/bin/sh', ['-ec', places(line)], { cwd: directory, env });
  }, LIMIT_MS);

  afterAll(async () => {
    if (existsSync(state)) {
      const options = { directory: state, host: { path: lab.node.path } };
      await (await RedirectEngine.open(options)).teardown();
    }
    await lab.close();
    rmSync(directory, { recursive: true });
  });

  test('has commands', () => {
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.every((line) => line.startsWith('ambient-redirect '))).toBe(true);
  });

  const made = lines.findIndex((line) => line.startsWith('ambient-redirect proxy set') && !line.endsWith('--dry-run'));
  const gone = lines.indexOf('ambient-redirect teardown --yes');
  test.each(lines.map((line, at) => [line, at] as const))(
    '%s',
    async (line, at) => {
      await run(line);
      expect(existsSync(state)).toBe(at >= made && at < gone);
      expect(await lab.client.get(lab.server.ipv4)).toMatchObject({ server: 'server', client: lab.client.ipv4 });
    },
    LIMIT_MS,
  );
});
