import { expect, it } from 'vitest';
import { describeConformance } from '../../../../test/support/vectors.ts';
import { decode } from '../isa/index.ts';
import { Vm } from './index.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

describeConformance('bpf_conformance', (cases) => {
  const positive = cases.filter((one) => one.kind === 'positive');
  it.each(positive.map((one) => [one.name, one] as const))('%s', (_, { insns = '', mem = '', result = '' }) => {
    const vm = new Vm(decode(bytes(insns)));
    expect(vm.run({ memory: bytes(mem) }).r0).toBe(BigInt(result));
  });

  const unused = cases.filter((one) => one.kind === 'negative' && one.raw_bytes !== undefined);
  it.each(unused.map((one) => [one.name, one] as const))('refuses %s', (_, { raw_bytes = '' }) => {
    expect(() => new Vm(decode(bytes(raw_bytes)))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION' }),
    );
  });

  it('gives all 64 bits of the result', () => {
    const {
      insns = '',
      mem = '',
      result = '',
    } = cases.find(({ name }) => name === 'incorrect_return_value_high_bits') ?? {};
    expect(new Vm(decode(bytes(insns))).run({ memory: bytes(mem) }).r0).not.toBe(BigInt(result));
  });
});
