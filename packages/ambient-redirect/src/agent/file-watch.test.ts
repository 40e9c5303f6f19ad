import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { FileWatch } from './file-watch.ts';

const SOON = { timeout: 10_000, interval: 10 };

test('changes are told: new files, contents, exchanges, ends; many at once as one', async () => {
  const directory = tempDir();
  let changes = 0;
  const watch = new FileWatch(() => (changes += 1));
  onTestFinished(() => watch.close());
  watch.watch([directory]);
  const told = async (change: () => void): Promise<void> => {
    const before = changes;
    change();
    await expect.poll(() => changes, SOON).toBeGreaterThan(before);
    await sleep(100);
  };
  const file = join(directory, 'a');
  await told(() => writeFileSync(file, '1'));
  await told(() => writeFileSync(file, '2'));
  await told(() => {
    writeFileSync(`${file}.new`, '3');
    renameSync(`${file}.new`, file);
  });
  await told(() => rmSync(file));
  const before = changes;
  for (let i = 0; i < 100; i += 1) writeFileSync(join(directory, `${i}`), '');
  await sleep(500);
  expect(changes - before).toBeLessThan(20);
  watch.close();
  const last = changes;
  writeFileSync(file, '4');
  await sleep(100);
  expect(changes).toBe(last);
});

test('a directory is watched when it comes, and when it is another one', async () => {
  const directory = join(tempDir(), 'pods');
  let changes = 0;
  const watch = new FileWatch(() => {
    changes += 1;
    // As whoever reads it does.
    watch.watch([directory]);
  });
  onTestFinished(() => watch.close());
  watch.watch([directory]);
  for (const round of [1, 2]) {
    mkdirSync(directory);
    await expect.poll(() => changes, { ...SOON, message: `it came: ${round}` }).toBeGreaterThan(0);
    await sleep(100);
    changes = 0;
    writeFileSync(join(directory, 'a'), '');
    await expect.poll(() => changes, { ...SOON, message: `a file: ${round}` }).toBeGreaterThan(0);
    rmSync(directory, { recursive: true });
    await sleep(200);
    changes = 0;
  }
});

test('a directory that is exchanged at once is watched, whatever inode number the new one has', async () => {
  const directory = join(tempDir(), 'pods');
  mkdirSync(directory);
  let changes = 0;
  const watch = new FileWatch(() => {
    changes += 1;
    watch.watch([directory]);
  });
  onTestFinished(() => watch.close());
  watch.watch([directory]);
  for (let round = 0; round < 3; round += 1) {
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    await expect.poll(() => changes, SOON).toBeGreaterThan(0);
    await sleep(200);
    changes = 0;
    writeFileSync(join(directory, 'a'), '');
    await expect.poll(() => changes, { ...SOON, message: `round ${round}` }).toBeGreaterThan(0);
    await sleep(200);
    changes = 0;
  }
});

test('a path that cannot be looked at keeps no other from being watched', async () => {
  const directory = tempDir();
  let changes = 0;
  const watch = new FileWatch(() => (changes += 1));
  onTestFinished(() => watch.close());
  watch.watch([join(directory, 'x'.repeat(300)), directory]);
  writeFileSync(join(directory, 'a'), '');
  await expect.poll(() => changes, SOON).toBeGreaterThan(0);
});
