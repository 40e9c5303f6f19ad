import { expect, test } from 'vitest';
import { DEFAULT_PORTS } from './ports.ts';

test('no two purposes share a port', () => {
  const ports = Object.values(DEFAULT_PORTS);
  expect(new Set(ports).size).toBe(ports.length);
});
