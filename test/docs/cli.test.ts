/** Every example of the commands, run as it stands there: on a node without an engine, then with one, then with an agent. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../../packages/ambient-redirect/src/cli/commands/index.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { LOOKING, WHAT_IS_WRONG } from './cli-looking.rows.ts';
import { BEFORE_ANY_ENGINE, ENROLMENT, THE_AGENT, THE_END } from './cli.rows.ts';
import { Node } from './node.ts';
import { commands } from './pages.ts';
import type { Step } from './step.ts';

/** `doctor` and `demo` redirect connections of their own, and a busy machine takes its time. */
const LIMIT_MS = 180_000;

/** Each example, and what is true when it runs. The order is that of a day: each goes on with what those before it have left. */
const STEPS: readonly Step[] = [
  ...BEFORE_ANY_ENGINE,
  ...ENROLMENT,
  ...LOOKING,
  ...WHAT_IS_WRONG,
  ...THE_END,
  ...THE_AGENT,
];

test('every example is run, here, and once', () => {
  const shown = commands('docs/cli.md');
  expect(shown).toEqual(COMMANDS.flatMap(({ examples }) => examples.map(({ line }) => line)));
  expect(STEPS.map(([line]) => line).toSorted()).toEqual(shown.toSorted());
});

const TOOLS = ['haproxy', 'jq', 'curl', 'tshark', 'bpftool', 'ip', 'zsh', 'fish'].map(tool);

describeWith([root, ...TOOLS], 'the examples of commands', () => {
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
