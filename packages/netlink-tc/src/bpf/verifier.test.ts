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
const NEW = `0: R1=ctx() R10=fp0
3: (95) exit
R0 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R0 has never been initialized on this path, so the verifier
  cannot use it as an input.

At:
  insn 3
        | ^-- error: R0 is not readable

Suggestion:
  Initialize R0 on every path before this instruction.

processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;

test('the layout before 7.3: the message follows its instruction', () => {
  const summary = 'invalid access to packet, off=12 size=1, R2(id=0,off=12,r=0); R2 offset is outside of the packet';
  expect(summariseLog(OLD)).toEqual({ summary, slot: 4 });
});

test('the layout from 7.3: sections', () => {
  expect(summariseLog(NEW)).toEqual({
    summary:
      'Register Type Safety: Unreadable register: R0 has never been initialized on this path, so the verifier cannot use it as an input.',
    slot: 3,
  });
  const { summary } = summariseLog(NEW);
  expect(explainVerifier(summary)).toContain('before anything was put into it');
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
  ['', '', undefined],
  ['processed 0 insns (limit 1000000)', '', undefined],
])('summary and slot of %j', (log, summary, slot) => {
  expect(summariseLog(log)).toEqual({ summary, slot });
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
  ['last insn is not an exit or jmp', 'runs past its end'],
])('%j is explained', (summary, words) => {
  expect(explainVerifier(summary)).toContain(words);
});

test('any text is summarised without a crash', () => {
  const lines = fc.constantFrom(...OLD.split('\n'), ...NEW.split('\n'));
  fc.assert(
    fc.property(fc.array(fc.oneof(lines, fc.string())), (log) => {
      const { summary, slot } = summariseLog(log.join('\n'));
      expect(typeof summary).toBe('string');
      expect(slot === undefined || slot >= 0).toBe(true);
    }),
  );
});
