/**
 * Encoding and decoding against copying the same bytes, which is what cannot be beaten.
 */
import { decode, encode } from 'bpf-asm/isa';
import { compare } from './compare.ts';
import { COUNT, instructions } from './instructions.ts';

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
