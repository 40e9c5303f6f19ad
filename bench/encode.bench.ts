/**
 * Encoding and decoding against copying the same bytes, which is what cannot be beaten.
 */
import { decode, encode, type Instruction } from 'bpf-asm/isa';
import { compare } from './compare.ts';

const COUNT = 4096;

const mix: readonly Instruction<number>[] = [
  { kind: 'load', type: 'u32', dst: 'r2', src: 'r1', offset: 76 },
  { kind: 'alu', op: 'mov', width: 64, dst: 'r3', src: 'r2' },
  { kind: 'alu', op: 'add', width: 64, dst: 'r3', src: 14 },
  { kind: 'jump', op: 'jgt', width: 64, dst: 'r3', src: 'r4', target: 2 },
  { kind: 'store', type: 'u64', dst: 'r10', src: 'r3', offset: -8 },
  { kind: 'call', helper: 1 },
  { kind: 'ja', target: 1 },
  { kind: 'exit' },
];
const instructions = Array.from({ length: COUNT }, (_, index) => mix[index % mix.length] as Instruction<number>);
const bytes = encode(instructions);
const target = new Uint8Array(bytes.length);
const copy = {
  name: 'copy',
  run: (): Uint8Array => {
    target.set(bytes);
    return target;
  },
};

await compare({
  title: 'encode',
  units: COUNT,
  unit: 'instructions',
  subject: { name: 'encode', run: () => encode(instructions) },
  floor: copy,
});
await compare({
  title: 'decode',
  units: COUNT,
  unit: 'instructions',
  subject: { name: 'decode', run: () => decode(bytes) },
  floor: copy,
});
