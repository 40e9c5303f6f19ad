/** One message of the verifier, what it means, and what to write instead. */
interface Explanation {
  readonly pattern: RegExp;
  readonly text: string;
}

/** The table, most specific first. Messages of kernel/bpf/verifier.c and its neighbours, 5.10 to 7.3. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /^R0 !read_ok|R0.*exit|At program exit the register R0/,
    text: 'the program can end without a result, or with one out of the allowed range: set r0 on every path before exit',
  },
  {
    pattern: /R\d+ !read_ok|never been initialized|Unreadable register/,
    text: 'a register is read before anything was put into it on this path: a call clears r1 to r5, so keep what is needed later in r6 to r9',
  },
  {
    pattern: /offset is outside of the packet|invalid access to packet/,
    text: 'packet bytes are read that were not checked to be there: compare with data_end on every path before the access, and again after a helper that changes the packet',
  },
  {
    pattern:
      /map_value_or_null|ptr_.*or_null_|possibly NULL|maybe null|may be NULL|_or_null' expected|invalid mem access '.*or_null'/,
    text: 'the pointer may be null: compare it with 0 and use it only where it is not',
  },
  {
    pattern: /invalid access to map value/,
    text: 'the access leaves the value of the map: check the offset, and bound a variable index by its size',
  },
  {
    pattern:
      /invalid (indirect )?(read|access) from stack|invalid (indirect )?access to stack|invalid read from stack|invalid variable-offset/,
    text: 'stack bytes are read that were not written, or lie outside the 512 bytes: write every byte first, padding too',
  },
  {
    pattern: /invalid write to stack|stack.*(limit|exceeds)|combined stack size/,
    text: 'the stack holds 512 bytes over all nested functions: use a per-CPU array as room, or smaller frames',
  },
  {
    pattern:
      /unbounded memory access|min value is negative|unbounded min value|R\d+ max value is outside|cannot prove offset/,
    text: 'an offset or length has no proven bound: mask it (and) or compare it with a constant, unsigned, right before the use',
  },
  {
    pattern: /invalid bpf_context access/,
    text: 'this field of the context does not exist for this program type, or not with this size or direction: load the whole field at its own offset',
  },
  {
    pattern: /dereference of modified ctx ptr/,
    text: 'the context was accessed at a computed offset: use constant offsets from the unchanged context pointer',
  },
  {
    pattern: /helper call is not allowed in|program of this type cannot use helper|unknown func|cannot use helper/,
    text: 'this program type cannot call this helper, or the kernel does not have it: see the helper table for types and first kernels (locked down to confidentiality, a kernel has none that reads its memory)',
  },
  {
    pattern: /cannot call GPL-restricted function from non-GPL|GPL-(only|restricted)/,
    text: 'the helper is for GPL-compatible programs only: use a free helper, or change the licence',
  },
  {
    pattern: /calling kernel function.*is not allowed|kernel function.*not found/,
    text: 'this program type cannot call this kernel function, or the kernel does not have it',
  },
  {
    pattern: /back-edge|infinite loop detected/,
    text: 'a loop whose end cannot be proven: count a register to a constant bound, or unroll it',
  },
  {
    pattern: /BPF program is too large/,
    text: 'the verifier stops after a million instructions, counted on every path and in every round of a loop, however short the program: fewer rounds, a bpf_loop in place of the loop, fewer branches before paths join, or a tail call',
  },
  {
    pattern: /sequence of \d+ jumps is too complex|too many states|program too large|complexity/,
    text: 'the verifier keeps at most 8192 branches that it has still to follow: fewer branches in a row, a look-up in a map in place of them, a bounded loop or function in place of copies, or a tail call',
  },
  { pattern: /unreachable insn/, text: 'an instruction that no path reaches: remove it, or the jump over it' },
  {
    pattern: /jump out of range|jump into the middle/,
    text: 'a jump leads outside its function, or between the halves of a 64-bit load: jump to a label',
  },
  {
    pattern: /last insn is not an exit or jmp|fall through/,
    text: 'a function runs past its end: finish it with exit or a jump',
  },
  {
    pattern: /type=\S+ expected=|does not satisfy the verifier contract/,
    text: 'a helper got a value of the wrong kind: look at the order of its arguments, and what r1 to r5 hold after the calls before',
  },
  {
    pattern:
      /pointer arithmetic.*(prohibited|not allowed)|pointer operation prohibited|math between .* pointer|arithmetic on .* pointer/,
    text: 'this arithmetic on a pointer is not allowed: add only bounded numbers, and only to packet, value and stack pointers',
  },
  {
    pattern:
      /R\d+ (pointer|leaks addr)|leaks addr|partial copy of pointer|corrupt spill|attempt to corrupt spilled pointer/,
    text: 'a pointer would become visible as a number, or be cut: store it whole on the stack, and never in a map',
  },
  {
    pattern: /invalid mem access 'scalar'|invalid mem access 'inv'|is an integer scalar here/,
    text: 'a number is used as an address: the pointer was lost (by a call, a 32-bit operation, or a store of fewer than 8 bytes)',
  },
  {
    pattern: /misaligned (stack|packet|value|context)? ?access|misaligned/,
    text: 'the access is not aligned to its size: read smaller pieces, or align the field',
  },
  {
    pattern: /Unreleased re(ference|source)|reference has not been|must be released|needs to be released/,
    text: 'a socket or ring buffer record is taken and not given back on every path: release, submit or discard it before exit',
  },
  {
    pattern: /expects? (a )?refcounted|release.*(twice|unowned)|reference.*already released/,
    text: 'something is released that is not held here: release exactly once, and keep the pointer that the helper returned',
  },
  {
    pattern: /BPF_(XADD|ATOMIC) (insn )?uses reserved fields|invalid atomic operand|BPF_ATOMIC stores into/,
    text: 'this atomic operation is not allowed here: atomics work on stack, map values and arena, with 4 or 8 bytes',
  },
  {
    pattern:
      /write into (packet|map).*(forbid|prohibit|read-only)|cannot write into packet|only read|write access.*(not allowed|prohibited)|forbids/,
    text: 'this memory cannot be written by this program type, or the map is read-only to programs',
  },
  {
    pattern: /div(ision)? by zero|invalid shift/,
    text: 'a constant divisor of zero, or a shift by the width or more: mask the amount',
  },
  {
    pattern: /frame pointer is read only|R10|R11 is invalid/,
    text: 'r10 is the frame pointer and cannot be written; r11 does not exist',
  },
  {
    pattern: /uses reserved fields|unknown opcode|invalid BPF_LD_IMM|unrecognized bpf_ld_imm64/,
    text: 'an instruction that this kernel does not know, or with fields that must be zero: probe the instruction set version',
  },
  {
    pattern: /tail_call|tail call/,
    text: 'tail calls need the program array directly, and beside functions at most 256 bytes of stack',
  },
  {
    pattern: /global function|Func#\d+|subprog/,
    text: 'the verifier does not take this function: see that it is reached, ends with exit, and that its arguments are used as numbers or known pointers',
  },
  {
    pattern: /missing bpf_line_info|bpf_line_info|line_info|func_info/,
    text: 'the source information of the program is malformed: this is a fault of the tool that made it',
  },
  {
    pattern: /attach type|expected_attach_type/,
    text: 'the program type and its expected attach type do not go together',
  },
];

/**
 * A verifier message in plain words, with what to write instead.
 * @param summary the line that says what is wrong
 * @returns undefined for messages that are not in the table
 */
export function explainVerifier(summary: string): string | undefined {
  return EXPLANATIONS.find(({ pattern }) => pattern.test(summary))?.text;
}
