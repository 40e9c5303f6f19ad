/** The commands of the guide for operators, run as they stand there, in their order. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith, root, tool } from '../support/needs.ts';
import { Node } from './node.ts';
import { blocks, commands } from './pages.ts';

const PAGE = 'docs/operating.md';
const lines = commands(PAGE);

/** `doctor` makes its programs and redirects connections, and a busy machine takes its time. */
const LIMIT_MS = 120_000;

describeWith([root, tool('haproxy')], 'the guide for operators', () => {
  let node: Node;

  beforeAll(async () => {
    node = await Node.open();
    node.write('agent.yaml', blocks(PAGE, 'yaml').join(''));
  }, LIMIT_MS);

  afterAll(() => node.close());

  test('has commands', () => {
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.every((line) => line.startsWith('ambient-redirect '))).toBe(true);
  });

  const made = lines.findIndex((line) => line.startsWith('ambient-redirect proxy set') && !line.endsWith('--dry-run'));
  const gone = lines.indexOf('ambient-redirect teardown --yes');
  test.each(lines.map((line, at) => [line, at] as const))(
    '%s',
    async (line, at) => {
      const { code, err } = await node.run(line);
      expect(code, err).toBe(0);
      expect(existsSync(node.path('/sys/fs/bpf/ambient'))).toBe(at >= made && at < gone);
      const { cart, server } = { ...node.lab, cart: node.cart };
      expect(await cart.get(server.ipv4)).toMatchObject({ server: 'server', client: cart.ipv4 });
    },
    LIMIT_MS,
  );
});
