import { convergeAll } from './converge.ts';
import type { EngineContext } from './context.ts';

/**
 * Puts everything in line with another proxy. Where one leaves, the programs of all pods know both before the first gives new connections to the
 * new one: at every moment each connection has one proxy, whichever of its packets is looked at by whichever program.
 */
export async function handOver(context: EngineContext): Promise<void> {
  const { proxySide } = context;
  await convergeAll(context);
  if (proxySide.leaving?.moved === false) {
    proxySide.move();
    await convergeAll(context);
  }
  await proxySide.settle();
}

/**
 * Goes on with a hand-over that a crash cut short. And looks whether a proxy that another one took over from has connections left, and ends it when
 * it has none: its programs go, and the settings of its namespace become what they were.
 */
export async function settleHandOver(context: EngineContext): Promise<void> {
  const { proxySide } = context;
  if (proxySide.leaving?.moved === false) await handOver(context);
  if (proxySide.leaving === undefined || (await proxySide.connectionsLeft()) > 0) return;
  await proxySide.endLeaving();
  await convergeAll(context);
  // Not before: as long as a hook leads to its namespace, that must not forward.
  await proxySide.settle();
}
