import { expect, onTestFinished } from 'vitest';
import { openSys, type Sys } from '../src/sys/index.ts';

/** The kernel, for one test: every descriptor that the test leaves open fails it, with the stack that opened it. */
export async function testSys(): Promise<Sys> {
  const sys = await openSys({ traceFds: true });
  onTestFinished(() => expect(sys.fds.open(), 'descriptors left open').toEqual([]));
  return sys;
}

/** Closes `object` when the running test ends. */
export function closing<T extends { close(): void }>(object: T): T {
  onTestFinished(() => object.close());
  return object;
}
