import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decode } from '../isa/index.ts';
import { Vm } from './index.ts';

interface Case {
  readonly name: string;
  readonly kind: 'positive' | 'negative';
  readonly expect_error: boolean;
  readonly result?: string;
  readonly mem?: string;
  readonly insns?: string;
  readonly raw_bytes?: string;
}

const url = new URL('../../../../../shared/vectors/conformance.json', import.meta.url);
const cases = JSON.parse(readFileSync(url, 'utf8')) as Case[];
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

describe('bpf_conformance', () => {
  const positive = cases.filter((one) => one.kind === 'positive');
  it.each(positive.map((one) => [one.name, one] as const))('%s', (_, { insns = '', mem = '', result = '' }) => {
    const vm = new Vm(decode(bytes(insns)));
    expect(vm.run({ memory: bytes(mem) }).r0).toBe(BigInt(result));
  });

  const unused = cases.filter((one) => one.kind === 'negative' && one.raw_bytes !== undefined);
  it.each(unused.map((one) => [one.name, one] as const))('refuses %s', (_, { raw_bytes = '' }) => {
    // One of them is an address space cast of Linux, which no interpreter runs.
    const code = expect.stringMatching(/^ERR_(INVALID_INSTRUCTION|UNSUPPORTED)$/) as string;
    expect(() => new Vm(decode(bytes(raw_bytes)))).toThrow(expect.objectContaining({ code }));
  });

  it('gives all 64 bits of the result', () => {
    const {
      insns = '',
      mem = '',
      result = '',
    } = cases.find(({ name }) => name === 'incorrect_return_value_high_bits') as Case;
    expect(new Vm(decode(bytes(insns))).run({ memory: bytes(mem) }).r0).not.toBe(BigInt(result));
  });
});
