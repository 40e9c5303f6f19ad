import { expect, test } from 'vitest';
import { createFakeSys, type FakeSys } from '../sys/index.ts';
import { createMap } from './map-create.ts';
import { withMemlock } from './memlock.ts';

const EPERM = 1;
const definition = { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 } as const;

/**
 * A kernel before 5.11, which the tests never meet: later ones charge maps to the memory cgroup, and need no limit. Maps are refused until
 * the limit is raised. `hard` is the hard limit; above it only root may go.
 */
function oldKernel(options: { readonly isRoot: boolean; readonly helps: boolean }): { sys: FakeSys; limits: bigint[] } {
  const limits: bigint[] = [64n];
  const sys = createFakeSys({
    answer: (name, args) => {
      if (name !== 'prlimit64') return name === 'bpf' && options.helps && (limits.at(-1) ?? 0n) > 64n ? 7 : -EPERM;
      const [, , wanted, old] = args;
      if (old instanceof Uint8Array) new BigUint64Array(old.buffer).set([64n, 1000n]);
      if (!(wanted instanceof Uint8Array)) return 0;
      const [soft = 0n, hard = 0n] = new BigUint64Array(wanted.buffer);
      if (hard > 1000n && !options.isRoot) return -EPERM;
      limits.push(soft);
      return 0;
    },
  });
  return { sys, limits };
}

test('the limit is raised only when the kernel asks for it', () => {
  const { sys, limits } = oldKernel({ isRoot: true, helps: true });
  expect(withMemlock(sys, () => 5)).toBe(5);
  expect(limits).toEqual([64n]);
  createMap(sys, definition).close();
  expect(limits).toEqual([64n, 0xffff_ffff_ffff_ffffn]);
});

test('without privileges it is raised as far as it goes', () => {
  const { sys, limits } = oldKernel({ isRoot: false, helps: true });
  createMap(sys, definition).close();
  expect(limits).toEqual([64n, 1000n]);
});

test('it is put back where it did not help', () => {
  const { sys, limits } = oldKernel({ isRoot: true, helps: false });
  expect(() => createMap(sys, definition)).toThrow(/cannot create hash map m: EPERM.*needs CAP_BPF/);
  expect(limits.at(-1)).toBe(64n);
});
