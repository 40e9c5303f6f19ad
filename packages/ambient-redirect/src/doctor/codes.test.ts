import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createLab } from '../../../../test/support/lab.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { COMMANDS } from '../cli/commands/index.ts';
import { ALL_AREAS } from './codes.ts';
import { AREAS } from './finding.ts';

const CODES = ALL_AREAS.flatMap(({ name: area, codes }) =>
  Object.entries(codes).map(([code, { title, cause, see, remedy }]) => ({ area, code, title, cause, see, remedy })),
);
const PAGE = readFileSync(new URL('../../../../docs/doctor.md', import.meta.url), 'utf8');

describe('codes', () => {
  test('every area is told once, every code is of one area', () => {
    expect(ALL_AREAS.map(({ name }) => name)).toEqual([...AREAS]);
    expect(new Set(CODES.map(({ code }) => code)).size).toBe(CODES.length);
    for (const { code } of CODES) expect(code).toMatch(/^[a-z]+(-[a-z]+)+$/);
  });

  test('every code has a section of the page, and every section is of a code', () => {
    const sections = [...PAGE.matchAll(/^### (\S+)$/gm)].map(([, code]) => code);
    expect(sections).toEqual(CODES.map(({ code }) => code));
    for (const { area, code } of CODES) {
      const finding = ALL_AREAS.find(({ name }) => name === area)?.finding(code, 'x', []);
      expect(finding?.page).toBe(`docs/doctor.md#${code}`);
    }
  });

  test('what is said of a code is in sentences, and of commands that there are', () => {
    for (const { code, title, cause, remedy, see } of CODES) {
      expect(title, code).toMatch(/^[A-Z/].*[^.]$/);
      expect(cause, code).toMatch(/\.$/);
      expect(remedy, code).toMatch(/\.$/);
      expect(see.length, code).toBeGreaterThan(0);
    }
    const names = COMMANDS.map(({ name }) => name);
    const text = CODES.flatMap(({ cause, remedy, see }) => [cause, remedy, ...see]).join('\n');
    for (const [, rest = ''] of text.matchAll(/ambient-redirect ([a-z]+(?: [a-z]+)?)/g)) {
      const known = names.some((name) => rest === name || rest.startsWith(`${name} `) || rest.split(' ')[0] === name);
      expect(known, `ambient-redirect ${rest}`).toBe(true);
    }
  });
});

/** Commands of clusters and others' tools, that are not on this machine, and those that have their own tests. */
const ELSEWHERE = /^(iptables|cilium-dbg|ambient-redirect|nsenter --net=NETNS ss)\b/;

/** Those that say by their exit code that there is nothing to see. */
const SILENT = /^(grep|findmnt|find|ls)\b/;

const TOOLS = ['bpftool', 'ip', 'tc', 'bridge', 'findmnt', 'sysctl'].map(tool);

describeWith([root, ...TOOLS], 'what is to be seen by hand', () => {
  const commands = [...new Set(CODES.flatMap(({ see }) => see))].filter((each) => !ELSEWHERE.test(each));
  vi.setConfig({ testTimeout: 300_000 });

  test('is seen by commands that work', async () => {
    const sys = await testSys();
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    for (const direction of ['ingress', 'clsact']) {
      const device = direction === 'ingress' ? 'v-client' : 'v-server';
      await lab.node.exec('tc', 'qdisc', 'add', 'dev', device, direction);
    }
    const there = { DEV: 'v-server', NETNS: lab.proxy.path, DIR: '/sys/fs/bpf' } as const;
    expect(commands.length).toBeGreaterThan(30);
    for (const command of commands) {
      // Lockdown and the JIT's settings are not everywhere.
      if (command.startsWith('cat ')) continue;
      const line = command.replace(/\b(DEV|NETNS|DIR)\b/g, (name) => there[name as keyof typeof there]);
      const run = lab.node.spawn(['sh', '-c', line]);
      const code = await run.ended();
      expect(code === 0 || ((code === 1 || code === 2) && SILENT.test(command)), `${line}: ${code} ${run.output}`).toBe(
        true,
      );
    }
  });
});
