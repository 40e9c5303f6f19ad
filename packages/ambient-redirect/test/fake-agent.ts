/** An agent whose engines only seem to be some: for tests of what it makes of its files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sys } from 'netlink-tc';
import { onTestFinished, vi, type Mock } from 'vitest';
import { tempDir } from '../../../test/support/temp.ts';
import { Agent, lineLog } from '../src/agent/index.ts';
import { RedirectEngine, type EngineOptions } from '../src/engine/index.ts';

/** What an agent of {@link fakeAgent} is given. */
export interface FakeAgent {
  readonly files: string;
  /** Writes the configuration. */
  configure(more: object): void;
  /** Starts it. What it tells is in `said`. */
  start(): Promise<{ readonly agent: Agent; readonly said: () => string; readonly socket: string }>;
  /** Told the options of each engine that is opened. */
  readonly open: Mock<(options: EngineOptions) => void>;
}

/** @param methods what engines do, beside nothing */
export function fakeAgent(methods: Partial<RedirectEngine> = {}): FakeAgent {
  const files = tempDir();
  const [config, socket] = [join(files, 'agent.yaml'), join(files, 'agent.sock')];
  const open = vi.fn<(options: EngineOptions) => void>();
  const opened = vi.spyOn(RedirectEngine, 'open').mockImplementation(async (options = {}) => {
    open(options);
    const engine: Partial<RedirectEngine> = {
      watch: () => ({ [Symbol.dispose]: () => undefined }),
      close: () => Promise.resolve(),
      status: () => Promise.resolve({ ok: true, pods: [] } as unknown as Awaited<ReturnType<RedirectEngine['status']>>),
      ...methods,
    };
    return engine as RedirectEngine;
  });
  onTestFinished(() => opened.mockRestore());
  const configure = (more: object): void =>
    writeFileSync(
      config,
      JSON.stringify({ ...more, agent: { socket, ...('agent' in more ? (more.agent as object) : {}) } }),
    );
  configure({});
  return {
    files,
    configure,
    open,
    start: async () => {
      let said = '';
      const agent = await Agent.start({
        config,
        sys: {} as Sys,
        log: lineLog((text) => (said += text), { format: 'plain' }),
        notify: {},
        metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      });
      onTestFinished(() => agent.close());
      return { agent, said: () => said, socket };
    },
  };
}
