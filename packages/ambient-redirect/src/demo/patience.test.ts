import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { giveUpAfter } from './patience.ts';

/** Stands still, as a compilation does. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

test('time in which the process stands still is no time to answer', async () => {
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    giveUpAfter(200, () => {
      isOver = true;
      resolve();
    });
  });
  block(400);
  await sleep(0);
  expect(isOver).toBe(false);
  await over;
});

test('who is answered does not give up', async () => {
  let isOver = false;
  giveUpAfter(100, () => (isOver = true))();
  await sleep(200);
  expect(isOver).toBe(false);
});
