/** The commands of pages that are about more than commands, run as they stand there; and which pages have any. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exit, jeq, label, ldxw, link, mov64, print, r0, r1, r2, writeObject } from 'bpf-asm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../packages/ambient-redirect/src/cli/commands/index.ts';
import { createProgram } from '../../packages/ambient-redirect/src/cli/program.ts';
import { repositoryFiles } from '../../scripts/files.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { Node } from './node.ts';
import { blocks, commands, PROJECT } from './pages.ts';
import { says, type Step } from './step.ts';

const LIMIT_MS = 180_000;

/** Pages with commands that have a test of their own. */
const ELSEWHERE = ['docs/cli.md', 'docs/doctor.md', 'docs/operating.md'];

/** The program of the README, as its object and its text. */
const { instructions } = link([
  ldxw(r2, r1, 8),
  jeq(r2, 0x539, 'drop'),
  mov64(r0, -1),
  exit(),
  label('drop'),
  mov64(r0, 2),
  exit(),
]);

const BPF_ASM: readonly Step[] = [
  [
    'bpftool prog loadall filter.o /sys/fs/bpf/filter',
    async (node, line) => {
      const program = { name: 'filter', type: 'sched_cls', licence: 'Apache-2.0', functions: [], maps: [] } as const;
      node.write('filter.o', writeObject([{ ...program, instructions }]));
      await node.done(line);
      expect(await node.done('bpftool prog show pinned /sys/fs/bpf/filter/filter')).toMatch(/sched_cls +name filter/);
    },
  ],
  [
    'tc filter add dev eth0 ingress bpf da obj filter.o sec tc',
    async (node, line) => {
      await node.done('tc qdisc add dev eth0 clsact');
      await node.done(line);
      expect(await node.done('tc filter show dev eth0 ingress')).toContain('filter.o:[tc] direct-action');
    },
  ],
  [
    'bpf-asm asm filter.bpf -o filter.bin     # kernel dialect; --dialect conformance for the other',
    async (node, line) => {
      node.write('filter.bpf', `${print(instructions, { labels: true })}\n`);
      await node.done(line);
      expect(readFileSync(join(node.directory, 'filter.bin')).length).toBe(instructions.length * 8);
    },
  ],
  says(
    'bpf-asm disasm --labels filter.bin       # raw bytes, hexadecimal, or a program of an object',
    /if r2 == 0x539 goto /,
  ),
  says(`bpf-asm run --mem '0000000000000000 39050000' filter.bin # 0x2: its mark is 0x539`, /^0x2\n$/),
  [
    'bpf-asm dump program.o',
    async (node, line) => {
      await node.done('cp filter.o program.o');
      expect(await node.done(line)).toMatch(/\bfilter\b[^]*if r2/);
    },
  ],
  [
    'bpf-asm COMMAND --help',
    async (node, line) => {
      for (const command of ['asm', 'disasm', 'run', 'dump'])
        expect(await node.done(line.replace('COMMAND', command))).toContain(`bpf-asm ${command}`);
    },
  ],
];

const README: readonly Step[] = [
  says(
    'npx ambient-redirect doctor                                   # would redirection work on this node?',
    /^Redirection works here, or would/m,
  ),
  says(
    'npx ambient-redirect proxy set --netns /run/netns/ztunnel     # with --dry-run: what it would change',
    /^status +listening/,
  ),
  [
    'npx ambient-redirect enroll shop/cart --netns /run/netns/cart',
    async (node, line) => {
      expect(await node.done(line)).toMatch(/^shop\/cart enrolled: vethcart1, /);
      expect(await node.isCaptured()).toBe(true);
    },
  ],
  says(
    'npx ambient-redirect status                                   # what is wanted, what is found, and what is not so',
    /^All is as it is wanted\.[^]*\nshop\/cart +enrolled /,
  ),
  [
    'npx ambient-redirect trace --pod shop/cart --pcap cart.pcapng # packets with their verdicts, for Wireshark',
    async (node, line) => {
      expect(await node.watched(line, /app_outbound/)).toMatchObject({ code: 0 });
      expect(await node.done('tshark -r cart.pcapng -T fields -e frame.comment')).toMatch(
        /^captured, app_outbound of /m,
      );
    },
  ],
];

/** With the files of the page about its configuration. */
const CONFIGURATION: readonly Step[] = [
  [
    'npx ambient-redirect agent                                    # keeps the node as a file says; /metrics, /readyz',
    async (node, line) => {
      await node.done('ambient-redirect teardown --yes');
      const [agent = '', pod = ''] = blocks('docs/configuration.md', 'yaml');
      node.write('/etc/ambient-redirect/agent.yaml', agent);
      node.write('/run/ambient-redirect/pods/cart-2.yaml', pod);
      await node.type(line).until(/ready/);
      expect(await node.done('curl -s http://127.0.0.1:9090/readyz')).toBe('ready\n');
      expect(await node.done('curl -s http://127.0.0.1:9090/metrics')).toContain(
        'ambient_redirect_pods{status="enrolled"} 2\n',
      );
      expect(await node.isCaptured()).toBe(true);
    },
  ],
  [
    `curl --unix-socket /run/ambient-redirect/agent.sock -d '{}' http://agent/v1/status`,
    async (node, line) => {
      const answer = (await node.done(line)).trim().split('\n').at(-1) ?? '';
      expect(JSON.parse(answer)).toMatchObject({ kind: 'result' });
      expect(answer).toMatch(/"shop\/cart-1"[^]*"shop\/cart-2"/);
    },
  ],
];

const STEPS = [...BPF_ASM, ...README, ...CONFIGURATION];

/** What is not run here, and why not. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'npm ci && npm test': 'CI runs it: this test is part of it',
  'sudo npm run demo': 'it is `ambient-redirect demo`, an example of its own page',
  'npm ci': 'CI runs it',
  'npm test': 'CI runs it: this test is part of it',
  'npm run check': 'CI runs it',
  'npm run bench': 'it measures for minutes, and wants the machine for itself',
  'sudo -E env PATH="$PATH" CI=true npm test': 'CI runs it as root: this test is part of it',
  'npm run test:kernels -- 6.1': 'CI runs it with --subset',
  'npm run test:crash': 'CI runs its test, by numbered steps',
  'npm run test:lifecycle': 'CI runs its tests, with other counts',
  '.ci/run': 'it is CI',
  'npm install ambient-redirect': 'nothing is published yet',
  'npm install bpf-asm': 'nothing is published yet',
};

/** A line without what is said of it. */
const typed = (line: string): string => line.replace(/ +# .*$/, '');

describe('commands of pages', () => {
  const pages = repositoryFiles().filter((path) => path.endsWith('.md'));

  test('every one is run, here or by a test of its page, or is left out for a reason', () => {
    expect(pages).toEqual(expect.arrayContaining(ELSEWHERE));
    const shown = pages.filter((page) => !ELSEWHERE.includes(page)).flatMap((page) => commands(page));
    const run = new Set(STEPS.map(([line]) => line));
    expect([...run].filter((line) => !shown.includes(line))).toEqual([]);
    expect(
      shown
        .filter((line) => !run.has(line))
        .map(typed)
        .toSorted(),
    ).toEqual(Object.keys(LEFT_OUT).toSorted());
  });

  test('those in sentences are understood', async () => {
    const names = COMMANDS.map(({ name }) => name).join('|');
    const pattern = new RegExp(`\`(?:ambient-redirect )?(?<call>(?:${names}) [^\`]*--(?!help)[^\`]*)\``, 'g');
    const calls = pages.flatMap((page) =>
      [...readFileSync(join(PROJECT, page), 'utf8').matchAll(pattern)].map(({ groups }) => groups?.['call'] ?? ''),
    );
    expect(calls.length).toBeGreaterThan(10);
    for (const call of new Set(calls)) {
      const words = call.replaceAll('POD', 'shop/cart-1').replaceAll('ADDRESS', '10.0.0.1').split(/ +/);
      const understood: string[] = [];
      const output = { print: () => undefined, complain: () => undefined, columns: 80 };
      const execute = async ({ name }: { readonly name: string }): Promise<void> => void understood.push(name);
      await createProgram(COMMANDS, { version: '0', output, execute }).parseAsync(words, { from: 'user' });
      expect(understood, call).toHaveLength(1);
    }
  });

  test('they are in blocks that the tests look at', () => {
    for (const page of pages)
      for (const language of ['bash', 'shell', 'console', 'zsh', 'text'])
        expect(blocks(page, language), page).toEqual([]);
  });

  test('what is left out names scripts and files that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { readonly scripts: object };
    const text = ['README.md', 'CONTRIBUTING.md'].flatMap((page) => commands(page)).join('\n');
    const named = [...text.matchAll(/npm (?:run )?(?!ci\b|run\b)(?<script>[\w:]+)/g)].map(
      ({ groups }) => groups?.['script'] ?? '',
    );
    expect(named.length).toBeGreaterThan(5);
    for (const script of named) expect(scripts).toHaveProperty([script]);
    for (const [, file = ''] of text.matchAll(/(?:vitest run |^)((?:\.ci|packages)\/\S+)/gm))
      expect(existsSync(join(PROJECT, file)), file).toBe(true);
  });
});

const TOOLS = ['haproxy', 'curl', 'bpftool', 'tc', 'tshark'].map(tool);

describeWith([root, ...TOOLS], 'the commands of READMEs and of the page about configuration', () => {
  let node: Node;

  beforeAll(async () => {
    node = await Node.open();
  }, LIMIT_MS);

  afterAll(() => node.close());

  test.each(STEPS)(
    '%s',
    async (line, does) => {
      expect.hasAssertions();
      await does(node, line);
    },
    LIMIT_MS,
  );
});
