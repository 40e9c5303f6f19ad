import { expect, it } from 'vitest';
import { helperById, helperByName, HELPERS } from './index.ts';

it('numbers the helpers from 1 without a gap, each with a name of its own', () => {
  expect(HELPERS.map(({ id }) => id)).toEqual(Array.from({ length: 211 }, (_, index) => index + 1));
  expect(new Set(HELPERS.map(({ name }) => name)).size).toBe(HELPERS.length);
});

it('finds helpers by number and by name, with and without prefix', () => {
  expect(helperById(1)?.name).toBe('map_lookup_elem');
  expect(helperById(211)?.name).toBe('cgrp_storage_delete');
  expect(helperByName('map_lookup_elem')?.id).toBe(1);
  expect(helperByName('bpf_redirect_peer')?.id).toBe(155);
});

it('knows no others', () => {
  for (const id of [0, 212, -1, 1.5, Number.NaN]) expect(helperById(id)).toBeUndefined();
  for (const name of ['', 'bpf_', 'unspec', 'constructor', 'bpf_bpf_redirect'])
    expect(helperByName(name)).toBeUndefined();
});
