import { once } from 'node:events';
import { openSys } from 'netlink-tc';
import type { EngineOptions } from '../engine/index.ts';
import type { DemoNetwork } from './network.ts';
import { checkLine, formatReport, jsonReport, styleFor } from './print.ts';
import { runDemo } from './run.ts';

/** Options of {@link showDemo}. */
export interface ShowOptions {
  /** One JSON document at the end, and nothing before. */
  readonly json: boolean;
  /** Waits for a line of input before all is taken away. */
  readonly keep: boolean;
  readonly attach: NonNullable<EngineOptions['attach']>;
  readonly steer: NonNullable<EngineOptions['steer']>;
}

/** Where {@link showDemo} prints, and what it reads. */
export interface ShowIo {
  readonly stdin: NodeJS.EventEmitter & { destroy(): unknown };
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends the waiting of `keep`: what was made is taken away. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the demo and shows what happens.
 * @returns whether all was as told
 */
export async function showDemo({ json, keep, attach, steer }: ShowOptions, io: ShowIo): Promise<boolean> {
  const style = styleFor(io.stdout, io.env);
  const say = (line: string): void => {
    if (!json) io.stdout.write(`${line}\n`);
  };
  const report = await runDemo(await openSys(), {
    onCheck: (check) => say(checkLine(check, style)),
    onStep: (step) => say(style.dim(`  · ${step}`)),
    attach,
    steer,
    ...(keep ? { beforeTeardown: (network, directory) => lookAround(network, directory, io) } : {}),
  });
  io.stdout.write(`${json ? jsonReport(report) : `\n${formatReport(report, style)}`}\n`);
  return report.ok;
}

async function lookAround(network: DemoNetwork, directory: string, { stdin, stderr, signal }: ShowIo): Promise<void> {
  const enter = (['node', 'client', 'proxy'] as const).map(
    (name) => `  ${name.padEnd(6)} nsenter --net=/proc/${process.pid}/fd/${network[name].netns.fd}\n`,
  );
  stderr.write(`\nKept, pinned in ${directory}. Look around:\n${enter.join('')}Press Enter to take it all away.\n`);
  // Whether it is a line or the signal that ends it makes no difference here.
  await once(stdin, 'data', signal && { signal }).catch(() => undefined);
  stdin.destroy();
}
