import { expect, test } from 'vitest';
import { parsePods } from './pods.ts';

test('a list of pods, YAML and JSON', () => {
  const pods = [
    { id: 'shop/cart-1', netns: { path: '/run/netns/cart' } },
    { id: 'shop/cart-2', hostInterface: 'v-cart2', policy: { outbound: { excludePorts: ['9090-9099'] } } },
  ];
  const yaml = `- { id: shop/cart-1, netns: /run/netns/cart }
- id: shop/cart-2
  interface: v-cart2
  policy: { outbound: { excludePorts: [9090-9099] } }
`;
  expect(parsePods(yaml, 'F')).toEqual(pods);
  const json = [
    { id: 'shop/cart-1', netns: '/run/netns/cart' },
    { id: 'shop/cart-2', interface: 'v-cart2', policy: pods[1]?.policy },
  ];
  expect(parsePods(JSON.stringify(json), 'F')).toEqual(pods);
});

test.each([
  ['id: shop/cart-1', 'F:1:1: is a list'],
  ['- id: a\n  netns: /a\n- id: a\n  netns: /b\n', 'F: a is the name of two pods'],
  ['- id: a\n  netn: /a\n', 'F:2:3: [0].netn is no key that is known here; did you mean netns?'],
])('%j is refused', (text, words) => {
  const read = (): unknown => parsePods(text, 'F');
  expect(read).toThrow(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(words) }));
});
