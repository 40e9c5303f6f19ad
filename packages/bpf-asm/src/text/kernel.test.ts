import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { expect, it } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { describeConformance } from '../../../../test/support/vectors.ts';
import { everyInstruction } from '../../test/every-instruction.ts';
import { createMap, loadProgram } from '../../test/kernel.ts';
import { decode, encode, type Instruction } from '../isa/index.ts';
import { parse, print, printInstruction } from './index.ts';

const SCHED_CLS = 3;
/** Lines of instructions in a verifier's log by their slot. */
function listed(log: string): Map<number, string> {
  const lines = new Map<number, string>();
  for (const line of log.split('\n')) {
    const [, slot, text] = /^ *(\d+): (?:[.0-9]{10} )?(\([0-9a-f]{2}\) .*?)(?: +; .*)?$/.exec(line) ?? [];
    if (slot !== undefined && text !== undefined && !lines.has(Number(slot))) lines.set(Number(slot), text);
  }
  return lines;
}

/** From Linux 6.16 on, the log begins with a list of the whole program, whatever the verifier thinks of it. */
function listsPrograms(): boolean {
  const program = loadProgram(encode(parse('r0 = 0\nexit')));
  program.close();
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const lists = program.log.includes('Live regs before insn');
  expect(lists, `whether the verifier of Linux ${release()} lists programs`).toBe(
    major > 6 || (major === 6 && minor >= 16),
  );
  return lists;
}

describeWith([root], "the verifier's listing", () => {
  it('has the lines that we print, where it lists programs', () => {
    if (!listsPrograms()) return;
    const map = createMap(2, 4, 8, 1);
    const instructions = [...everyInstruction(map.fd)];
    const program = loadProgram(encode(instructions), { type: SCHED_CLS });
    program.close();
    map.close();
    const lines = listed(program.log);
    // A pointer is an address there.
    const hidden = (text: string): string =>
      text.replace(/^(\(18\) r1 = )0x(?!ffffffff00000001$|0$)[0-9a-f]+$/, '$1(address)');
    const ours = print(instructions, { style: 'verifier' })
      .trimEnd()
      .split('\n')
      .map((line) => /^(\d+): (.*)$/.exec(line));
    const expected = ours.map((match) => [Number(match?.[1]), hidden(match?.[2] ?? '')] as const);
    const found = expected.map(([slot]) => [slot, hidden(lines.get(slot) ?? 'not in the log')] as const);
    expect(found).toEqual(expected);
    expect(found.length).toBe(instructions.length);
  });
});

describeWith([root], "the verifier's log", () => {
  it('reads as the program it walks', () => {
    const program = loadProgram(encode(parse('r0 = -7\nr1 = 0x123456789 ll\nw1 s>>= 3\n*(u64 *)(r10 -8) = r1\nexit')));
    program.close();
    const walked = program.log.split('\n').filter((line) => /^\d+: /.test(line));
    expect(walked[0]).toMatch(/^0: R1/);
    expect(print(parse(walked.join('\n')))).toBe(
      [
        '   0: (b7) r0 = -7',
        '   1: (18) r1 = 0x123456789',
        '   3: (c4) w1 s>>= 3',
        '   4: (7b) *(u64 *)(r10 -8) = r1',
        '   5: (95) exit',
        '',
      ].join('\n'),
    );
  });
});

/** What bpftool before 7.5 (Linux 6.10) prints as something else, not knowing it. */
function isNew(i: Instruction): boolean {
  if (i.kind === 'alu') return i.op === 'sdiv' || i.op === 'smod';
  if (i.kind === 'load') return i.type.startsWith('s');
  return (
    ['movsx', 'mov_percpu', 'gotol', 'may_goto', 'load_acquire', 'store_release', 'addr_space_cast'].includes(i.kind) ||
    (i.kind === 'end' && i.op === 'bswap')
  );
}

function bpftool(...words: string[]): string {
  return execFileSync('bpftool', words, {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
}

describeWith([root, tool('bpftool')], 'bpftool prog dump xlated', () => {
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(bpftool('version')) ?? [];
  const knowsNew = Number(major) * 100 + Number(minor) >= 705;
  const symbols = new Map<bigint, string>();
  let base = 0n;
  for (const line of readFileSync('/proc/kallsyms', 'utf8').split('\n')) {
    const [address = '', , name = ''] = line.split(/\s/);
    if (address === '' || line.endsWith(']')) continue;
    if (name === '__bpf_call_base') base = BigInt(`0x${address}`);
    if (/bpf|map|sk|skb/.test(name) && !symbols.has(BigInt(`0x${address}`))) symbols.set(BigInt(`0x${address}`), name);
  }

  /** Loads a program and compares, line by line, bpftool's dump with our listing of the same bytes. */
  function compare(instructions: readonly Instruction[], type: number): number {
    const program = loadProgram(encode(instructions), { type, logLevel: 0 });
    if (program.fd < 0) return 0;
    const theirs = bpftool('prog', 'dump', 'xlated', 'id', String(program.id)).trimEnd().split('\n');
    program.close();
    const dumped = decode(program.xlated);
    const ours = print(dumped, {
      style: 'bpftool',
      callName: (call) =>
        call.kind === 'call' ? symbols.get(base + BigInt(call.helper)) : call.kind === 'raw' ? 'bpf_prog' : undefined,
    });
    const known = dumped.map((i) => knowsNew || !isNew(i));
    const kept = (lines: readonly string[]): string[] =>
      lines.filter((_, index) => known[index]).map((line) => line.replace(/#bpf_prog_\w+$/, '#bpf_prog'));
    expect(kept(ours.trimEnd().split('\n'))).toEqual(kept(theirs));
    expect(parse(print(dumped))).toEqual(dumped);
    return dumped.length;
  }

  describeConformance('for programs of the conformance suite', (cases) => {
    it('has the lines that we print', () => {
      // Each costs bpftool a reading of all kernel symbols: only programs with an opcode that none before had.
      const seen = new Set<number>();
      let compared = 0;
      for (const { insns, mem } of cases) {
        if (insns === undefined || mem !== undefined) continue;
        const code = Buffer.from(insns, 'hex');
        const opcodes = Array.from({ length: code.length / 8 }, (_, slot) => code[8 * slot] as number);
        if (opcodes.every((opcode) => seen.has(opcode))) continue;
        const length = compare(decode(code), SCHED_CLS);
        if (length > 0) for (const opcode of opcodes) seen.add(opcode);
        compared += length;
      }
      expect(compared).toBeGreaterThan(300);
      expect(seen.size).toBeGreaterThan(60);
    }, 240_000);
  });

  it('has the lines that we print, for maps, helpers, functions and atomics', () => {
    const array = createMap(2, 4, 64, 1);
    const hash = createMap(1, 4, 8, 1);
    const source = `
      r6 = r1
      r1 = map[id:${hash.fd}]
      r2 = r10
      r2 += -4
      *(u32 *)(r10 -4) = 0
      call bpf_map_lookup_elem
      if r0 == 0x0 goto out
      r1 = 1
      lock *(u64 *)(r0 +0) += r1
      r1 = atomic64_fetch_or((u64 *)(r0 +0), r1)
      r2 = map[id:${array.fd}][0]+60
      *(u16 *)(r2 +2) = -2
      call f
      call bpf_ktime_get_ns
    out:
      r0 = 0
      exit
    f:
      r0 = 0x123456789abcdef0
      w0 = -w0
      if w0 < 0x5 goto low
      r0 = be16 r0
    low:
      exit
    `;
    expect(compare(parse(source), SCHED_CLS)).toBeGreaterThan(20);
    array.close();
    hash.close();
  });
});

// What neither shows here, by the format strings of kernel/bpf/disasm.c: `gotox r%d` is from Linux 6.19, and `nospec` is written only into
// programs of users without CAP_PERFMON.
it.each([
  [{ kind: 'gotox', dst: 'r1' }, '(0d) gotox r1'],
  [{ kind: 'nospec' }, '(c2) nospec'],
  [{ kind: 'mov_percpu', dst: 'r0', src: 'r0' }, '(bf) r0 = &(void __percpu *)(r0)'],
  [{ kind: 'call_kfunc', id: 7, offset: 0 }, '(85) call kernel-function#7'],
  [{ kind: 'call_local', target: -3 }, '(85) call pc-3'],
  [{ kind: 'call', helper: 0 }, '(85) call bpf_unspec#0'],
  [{ kind: 'call', helper: 9999 }, '(85) call unknown#9999'],
] satisfies [Instruction, string][])('%o', (instruction, text) => {
  expect(printInstruction(instruction)).toBe(text);
});
