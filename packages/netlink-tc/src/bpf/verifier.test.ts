import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explainVerifier } from './verifier-explain.ts';
import { summariseLog } from './verifier-log.ts';

const OLD = `0: R1=ctx() R10=fp0
; const data = ctx.data @ app-outbound.ts:12
0: (61) r2 = *(u32 *)(r1 +76)         ; R1=ctx() R2=pkt(r=0)
4: (71) r0 = *(u8 *)(r2 +12)
invalid access to packet, off=12 size=1, R2(id=0,off=12,r=0)
R2 offset is outside of the packet
processed 5 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
// As Linux 7.3 writes it (kernel/bpf/diagnostics.c): the message of before, then the sections.
const NEW = `0: R1=ctx() R10=fp0
3: (95) exit
R0 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R0 has never been initialized on this path, so the verifier cannot use it as an input.

At:
  insn 3
        | ^-- error: R0 is not readable
  Instruction context:
      1 | (bf) r6 = r1
      2 | (05) goto pc+0
  >>> 3 | (95) exit

Causal path:
  no retained diagnostic events on this path

Suggestion:
  Initialize R0 on every path before this instruction.

processed 4 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
// With line_info: no \`insn 3\`, and source lines that are marked like instructions.
const NEW_WITH_SOURCE = `12: (71) r0 = *(u8 *)(r2 +0)
R2 invalid mem access 'map_value_or_null'

Verification failed: Register Type Safety: Invalid dereference

Reason:
  R2 may be NULL here (a nullable map value pointer). The program could dereference NULL on this path, so the verifier
  cannot prove this access is safe.

At:
  app_outbound @ app-outbound.ts:101:7
  Source context:
      99 | ...
     100 |     const pod = pods.get(key);
  >>> 101 |     count(pod.packets);
         |     ^-- error: invalid dereference of R2 (a nullable map value pointer)
     102 |     return next();
     103 | ...
  Instruction context:
      10 | (85) call bpf_map_lookup_elem#1
      11 | (bf) r2 = r0
  >>> 12 | (71) r0 = *(u8 *)(r2 +0)
      13 | (95) exit

Causal path:
  app_outbound @ app-outbound.ts:90:3
  Source context:
  >>> 90 |   when(eth.type.ne(ETH_P_IP), next);
         |   ^-- branch: took the false branch of this conditional, goto not followed
  Instruction context:
  >>>  4 | (55) if r1 != 0x8 goto pc+20

Suggestion:
  Add a NULL check before the access and dereference the pointer only on the non-NULL path.

processed 13 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0
`;

test('the layout before 7.3: the message follows its instruction', () => {
  const summary = 'invalid access to packet, off=12 size=1, R2(id=0,off=12,r=0); R2 offset is outside of the packet';
  expect(summariseLog(OLD)).toEqual({ summary, message: summary, slot: 4 });
});

test('the layout from 7.3: sections', () => {
  expect(summariseLog(NEW)).toEqual({
    summary:
      'Register Type Safety: Unreadable register: R0 has never been initialized on this path, so the verifier cannot use it as an input.',
    message: 'R0 !read_ok',
    slot: 3,
  });
  // No message of before: the instruction is the one that is marked, the explanation goes by the reason.
  const { summary, slot } = summariseLog(NEW.slice(NEW.indexOf('Verification failed')));
  expect(slot).toBe(3);
  expect(explainVerifier(summary)).toContain('before anything was put into it');
});

test('the layout from 7.3, of a program with source lines', () => {
  const { summary, message, slot } = summariseLog(NEW_WITH_SOURCE);
  expect(summary).toMatch(/^Register Type Safety: Invalid dereference: R2 may be NULL here .* verifier cannot prove/);
  expect(message).toBe("R2 invalid mem access 'map_value_or_null'");
  expect(slot).toBe(12);
  expect(explainVerifier(message)).toContain('compare it with 0');
  expect(explainVerifier(summary)).toContain('compare it with 0');
  expect(summariseLog(NEW_WITH_SOURCE.slice(NEW_WITH_SOURCE.indexOf('Verification failed'))).slot).toBe(12);
});

test.each([
  ['unreachable insn 2\nprocessed 0 insns (limit 1000000) max_states_per_insn 0', 'unreachable insn 2', 2],
  ['back-edge from insn 3 to 1\n', 'back-edge from insn 3 to 1', 3],
  ['0: (95) exit\nR0 !read_ok\n', 'R0 !read_ok', 0],
  [
    '5: (85) call bpf_trace_printk#6\ncannot call GPL-restricted function from non-GPL compatible program\nprocessed 1 insns',
    'cannot call GPL-restricted function from non-GPL compatible program',
    5,
  ],
  [
    '1: (07) r6 += 1\nBPF program is too large. Processed 1000001 insn',
    'BPF program is too large. Processed 1000001 insn',
    1,
  ],
  [
    "arg#0 reference type('UNKNOWN ') size cannot be determined: -22\nBPF program is too large. Processed 1000001 insn\nverification time 7 usec\nstack depth 0\nprocessed 1000001 insns",
    'BPF program is too large. Processed 1000001 insn',
    undefined,
  ],
  ['', '', undefined],
  ['processed 0 insns (limit 1000000)', '', undefined],
])('summary and slot of %j', (log, summary, slot) => {
  expect(summariseLog(log)).toEqual({ summary, message: summary, slot });
});

test.each([
  ['R0 !read_ok', 'set r0'],
  ['R3 !read_ok', 'r1 to r5'],
  ["R0 invalid mem access 'map_value_or_null'", 'compare it with 0'],
  ['invalid access to map value, value_size=8 off=8 size=8', 'value of the map'],
  ['R1 unbounded memory access, make sure to bounds check any such access', 'mask it'],
  ['invalid bpf_context access off=300 size=4', 'context'],
  ['unknown func bpf_foo#9999', 'helper table'],
  ['back-edge from insn 4 to 1', 'constant bound'],
  ['infinite loop detected at insn 2', 'constant bound'],
  ["R1 invalid mem access 'scalar'", 'pointer was lost'],
  ['Unreleased reference id=2 alloc_insn=5', 'submit or discard'],
  ['R2 type=scalar expected=fp', 'order of its arguments'],
  ['frame pointer is read only', 'r10'],
  ['BPF program is too large. Processed 1000001 insn', 'a million instructions'],
  ['The sequence of 8193 jumps is too complex.', '8192 branches'],
  ['last insn is not an exit or jmp', 'runs past its end'],
])('%j is explained', (summary, words) => {
  expect(explainVerifier(summary)).toContain(words);
});

test('any text is summarised without a crash', () => {
  const lines = fc.constantFrom(...OLD.split('\n'), ...NEW.split('\n'), ...NEW_WITH_SOURCE.split('\n'));
  fc.assert(
    fc.property(fc.array(fc.oneof(lines, fc.string())), (log) => {
      const { summary, slot } = summariseLog(log.join('\n'));
      expect(typeof summary).toBe('string');
      expect(slot === undefined || slot >= 0).toBe(true);
    }),
  );
});
