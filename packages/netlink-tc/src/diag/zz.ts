import { be16, bytes, struct, u32, u8, ipv4Address, ipv6Address } from 'bpf-asm/layout';
const A = struct('a', { family: u8, state: u8, timer: u8, retransmits: u8, lp: be16, rp: be16, local: bytes(16), remote: bytes(16), device: u32, cl: u32, ch: u32, expires: u32, rq: u32, wq: u32, uid: u32, inode: u32 }).forByteOrder('little');
const B = struct('b', { family: u8, state: u8, timer: u8, retransmits: u8, lp: be16, rp: be16, local: ipv4Address, l1: u32, l2: u32, l3: u32, remote: ipv4Address, r1: u32, r2: u32, r3: u32, device: u32, cl: u32, ch: u32, expires: u32, rq: u32, wq: u32, uid: u32, inode: u32 }).forByteOrder('little');
const C = struct('c', { family: u8, state: u8, timer: u8, retransmits: u8, lp: be16, rp: be16, local: ipv6Address, remote: ipv6Address, device: u32, cl: u32, ch: u32, expires: u32, rq: u32, wq: u32, uid: u32, inode: u32 }).forByteOrder('little');
const buf = new Uint8Array(72).map((_, i) => i * 7);
const mapped = new Uint8Array(72); mapped.set([0,0,0,0,0,0,0,0,0,0,0xff,0xff,10,0,0,1], 8); mapped.set([0,0,0,0,0,0,0,0,0,0,0xff,0xff,10,0,0,1], 24);
for (let round = 0; round < 3; round++)
for (const [n, f] of Object.entries({ A: () => A.read(buf, 0), B: () => B.read(buf, 0), C: () => C.read(buf, 0), Cm: () => C.read(mapped, 0) , slice: () => buf.slice(3, 19), sub: () => buf.subarray(3), dv: () => new DataView(buf.buffer, 3, 60)})) {
  const out: unknown[] = [];
  const t = process.hrtime.bigint();
  for (let i = 0; i < 200000; i++) out.push(f());
  console.log(n, Number(process.hrtime.bigint() - t) / 200000 | 0);
}
