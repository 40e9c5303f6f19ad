/**
 * `npm run demo`: a node, pods and a proxy in namespaces of their own; the pods' traffic is redirected, and what happens is shown.
 *
 * `--json` prints one JSON document, `--keep` waits for a key before all is taken away, `--attach` and `--steer` choose how. Exits with 1 when
 * anything is not as told, with 2 when it cannot run here.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { isNetlinkTcError, openSys } from 'netlink-tc';
import { isAmbientRedirectError } from '../error.ts';
import type { EngineOptions } from '../engine/index.ts';
import type { DemoNetwork } from './network.ts';
import { checkLine, formatReport, jsonReport, styleFor } from './print.ts';
import { runDemo } from './run.ts';

function options(): {
  readonly json: boolean;
  readonly keep: boolean;
  readonly attach: string;
  readonly steer: string;
} {
  try {
    return parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        attach: { type: 'string', default: 'auto' },
        steer: { type: 'string', default: 'auto' },
      },
    }).values;
  } catch (error) {
    console.error(
      `${(error as Error).message}\nOptions: --json, --keep, --attach=auto|tcx|clsact, --steer=auto|sk_lookup|tproxy`,
    );
    process.exit(2);
  }
}

const values = options();
const style = styleFor(process.stdout, process.env);
const say = (line: string): void => {
  if (!values.json) console.log(line);
};

async function lookAround(network: DemoNetwork, directory: string): Promise<void> {
  const enter = (name: 'node' | 'client' | 'proxy'): string =>
    `  ${name.padEnd(6)} nsenter --net=/proc/${process.pid}/fd/${network[name].netns.fd}`;
  console.error(
    `\nKept, pinned in ${directory}. Look around:\n${['node', 'client', 'proxy'].map((name) => enter(name as 'node')).join('\n')}`,
  );
  console.error('Press Enter to take it all away.');
  await once(process.stdin, 'data');
  process.stdin.destroy();
}

try {
  const report = await runDemo(await openSys(), {
    onCheck: (check) => say(checkLine(check, style)),
    onStep: (step) => say(style.dim(`  · ${step}`)),
    attach: values.attach as NonNullable<EngineOptions['attach']>,
    steer: values.steer as NonNullable<EngineOptions['steer']>,
    ...(values.keep ? { beforeTeardown: lookAround } : {}),
  });
  console.log(values.json ? jsonReport(report) : `\n${formatReport(report, style)}`);
  process.exitCode = report.ok ? 0 : 1;
} catch (error) {
  if (!isNetlinkTcError(error) && !isAmbientRedirectError(error)) throw error;
  console.error(`The demo cannot run here: ${error.message}`);
  process.exitCode = 2;
}
