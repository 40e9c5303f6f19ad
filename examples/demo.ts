/**
 * `npm run demo`: a packet filter, from TypeScript to the bytes that the kernel loads.
 *
 * The filter lets TCP over IPv4 pass and drops the rest. A socket filter finds the packet's bytes with the classic loads
 * and returns how many of them to keep.
 */
import { decode, encode, type Instruction } from 'bpf-asm';

const ETHERTYPE = 12;
const IPV4_PROTOCOL = 23;

/** Jumps count instructions from the next one. */
const filter: readonly Instruction<number>[] = [
  { kind: 'alu', op: 'mov', width: 64, dst: 'r6', src: 'r1' }, // the classic loads take the packet from r6
  { kind: 'ld_abs', type: 'u16', offset: ETHERTYPE },
  { kind: 'jump', op: 'jne', width: 64, dst: 'r0', src: 0x0800, target: 4 },
  { kind: 'ld_abs', type: 'u8', offset: IPV4_PROTOCOL },
  { kind: 'jump', op: 'jne', width: 64, dst: 'r0', src: 6, target: 2 },
  { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 0xffff }, // keep
  { kind: 'exit' },
  { kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 0 }, // drop
  { kind: 'exit' },
];

const bytes = encode(filter);
for (let slot = 0; slot < bytes.length / 8; slot++) {
  const hex = Array.from(bytes.subarray(slot * 8, slot * 8 + 8), (byte) => byte.toString(16).padStart(2, '0')).join(
    ' ',
  );
  console.log(`${String(slot).padStart(3)}: ${hex}  ${JSON.stringify(filter[slot])}`);
}

const again = encode(decode(bytes));
const same = bytes.every((byte, index) => byte === again[index]);
console.log(`${bytes.length} bytes; decoded and encoded again: ${same ? 'the same bytes' : 'DIFFERENT bytes'}`);
process.exitCode = same ? 0 : 1;
