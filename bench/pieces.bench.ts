/**
 * The language's test pieces beside their twins in C (`bench/c`), compiled by clang `-O2`: instructions everywhere; jited bytes and nanoseconds a
 * packet over an empty program as root. Without clang, only ours. The last column is our instructions in per cent of clang's; in the second table C
 * looks the node's facts up in a map, as a program that was compiled before they were known must.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode, exit, mov64, readObject, resolveMaps, type Program } from 'bpf-asm';
import { benchmarkProgram, isNetlinkTcError, loadProgram, openSys, readProgramCode, type Sys } from 'netlink-tc';
import { PIECES } from '../packages/bpf-asm/src/lang/pieces/all.ts';

/** Each piece: its twin, and what the twin is compiled with. */
const TWINS: Readonly<Record<string, readonly [file: string, ...flags: string[]]>> = {
  app_outbound_v4: ['app_outbound'],
  app_outbound_v4_count: ['app_outbound', '-DBYPASS', '-DCOUNT'],
  app_outbound_dual: ['app_outbound', '-DDUAL'],
  app_outbound_dual_full: ['app_outbound', '-DDUAL', '-DBYPASS', '-DDNS', '-DCOUNT'],
  app_inbound_v4: ['app_inbound'],
  app_inbound_dual: ['app_inbound', '-DDUAL'],
  host_in_v4: ['host_in'],
  host_in_dual: ['host_in', '-DDUAL'],
  steer_v4: ['steer'],
  steer_dual: ['steer', '-DDUAL'],
  tproxy_v4: ['tproxy'],
  tproxy_dual: ['tproxy', '-DDUAL'],
  printer: ['printer'],
  vip_drop: ['vip_drop'],
  proto_count: ['proto_count'],
  firewall: ['firewall'],
};

/** What C must have compiled in to serve every node; a deployed piece has what its node needs. */
const LOOKUPS: Readonly<Record<string, readonly [file: string, ...flags: string[]]>> = {
  app_outbound_v4: ['app_outbound', '-DLOOKUP', '-DBYPASS', '-DCOUNT'],
  app_outbound_v4_count: ['app_outbound', '-DLOOKUP', '-DBYPASS', '-DCOUNT'],
  app_outbound_dual: ['app_outbound', '-DLOOKUP', '-DDUAL', '-DBYPASS', '-DDNS', '-DCOUNT'],
  app_outbound_dual_full: ['app_outbound', '-DLOOKUP', '-DDUAL', '-DBYPASS', '-DDNS', '-DCOUNT'],
  app_inbound_v4: ['app_inbound', '-DLOOKUP'],
  app_inbound_dual: ['app_inbound', '-DLOOKUP', '-DDUAL'],
};

const hasClang = spawnSync('clang', ['--version']).status === 0;
const directory = mkdtempSync(join(tmpdir(), 'ambient-bench-'));
const sys = process.getuid?.() === 0 ? await openSys() : undefined;

/** TCP over IPv4 from the pod's own address: what the data plane captures. */
const PACKET = Uint8Array.from(
  Buffer.from(
    '0200000000070200000000050800' +
      '450000280001400040060000' +
      '0af40105' +
      '0af40209' +
      '9c400050' +
      '00000001'.repeat(2) +
      '5010ffff00000000',
    'hex',
  ),
);

function twin([file, ...flags]: readonly [string, ...string[]]): Program | undefined {
  const object = join(directory, `${file}.o`);
  const source = join(import.meta.dirname, 'c', `${file}.c`);
  // The instruction set that ours is compiled for too. Debian keeps the kernel's asm/ headers by architecture.
  const include = `-I/usr/include/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`;
  execFileSync('clang', ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', include, ...flags, '-c', source, '-o', object]);
  return readObject(readFileSync(object)).programs[0];
}

const slots = (program: Program): number => encode(resolveMaps(program.instructions, () => 1)).length / 8;

interface Measured {
  readonly jited: number;
  readonly nanoseconds: number;
}

function measure(kernel: Sys, program: Program): Measured | undefined {
  try {
    using loaded = loadProgram(kernel, program);
    const jited = readProgramCode(kernel, loaded.fd).jited.length;
    const data = program.type === 'sk_lookup' ? undefined : PACKET;
    const nanoseconds = data === undefined ? Number.NaN : benchmarkProgram(kernel, loaded, { data }).median;
    return { jited, nanoseconds };
  } catch (error) {
    if (!isNetlinkTcError(error)) throw error;
    console.error(`${program.name}: ${error.message}`);
    return undefined;
  }
}

const empty = (type: Program['type']): Program => ({
  name: 'empty',
  type,
  licence: 'Apache-2.0',
  instructions: [mov64('r0', -1), exit()],
  functions: [{ name: 'empty', index: 0 }],
  maps: [],
});

function table(title: string, twins: typeof TWINS): void {
  const floors = new Map<string, number>();
  console.log(`\n${title.padEnd(24)}    instructions      jited bytes   ns over the floor`);
  console.log(`${''.padEnd(24)}  ours clang    %     ours  clang      ours  clang`);
  for (const [name, flags] of Object.entries(twins)) {
    const ours = PIECES[name]?.();
    if (ours === undefined) throw new Error(`there is no piece ${name}`);
    const clang = hasClang ? twin(flags) : undefined;
    const [mine, its] = [ours, clang].map((program) => (sys && program ? measure(sys, program) : undefined));
    if (sys !== undefined && !floors.has(ours.type) && ours.type !== 'sk_lookup') {
      floors.set(ours.type, measure(sys, empty(ours.type))?.nanoseconds ?? 0);
    }
    const floor = floors.get(ours.type) ?? Number.NaN;
    const cell = (value: number | undefined, width: number): string =>
      (value === undefined || Number.isNaN(value) ? '-' : String(value)).padStart(width);
    const [a, b] = [slots(ours), clang === undefined ? undefined : slots(clang)];
    const share = b === undefined ? undefined : Math.round((100 * a) / b);
    const over = (measured: Measured | undefined): number | undefined => measured && measured.nanoseconds - floor;
    console.log(
      `${name.padEnd(24)}${cell(a, 6)}${cell(b, 6)}${cell(share, 5)}${cell(mine?.jited, 9)}${cell(its?.jited, 7)}${cell(over(mine), 10)}${cell(over(its), 7)}`,
    );
  }
}

try {
  if (!hasClang) console.log('no clang: only our side (apt install clang)');
  if (sys === undefined) console.log('not root: no jited bytes, no times');
  table('the same facts as constants', TWINS);
  table('C that looks facts up', LOOKUPS);
} finally {
  rmSync(directory, { recursive: true });
}
