const INPUT = `INPUT is a file, or - for standard input, which is also read where nothing is said.`;
const CODE = `INPUT is a file, or - for standard input, which is also read where nothing is said. It holds an object file (ELF),
the bytes of instructions, or the same in hexadecimal, with white space anywhere: which of them, its bytes tell.`;

/** The subcommands by name: what each does in a few words. */
export const SUMMARY = {
  asm: 'assemble text',
  disasm: 'list instructions as text',
  run: 'run a program in the interpreter and print r0',
  dump: 'show what is in an object file, or in raw bytes',
  plugin: 'run as a plugin of the BPF conformance suite',
} as const;

/** Name of a subcommand. */
export type CommandName = keyof typeof SUMMARY;

/** What `--help` prints. */
export const OVERVIEW: string = `Usage: bpf-asm COMMAND [OPTION]... [INPUT]

An assembler, disassembler and interpreter for eBPF.

Commands:
${Object.entries(SUMMARY)
  .map(([name, words]) => `  ${name.padEnd(8)} ${words}`)
  .join('\n')}

Options:
  -h, --help     show this, or the help of a command after its name
      --version  show the version
      --json     on every command: print JSON, and errors as {"error": {"code", "message", …}}

Exit codes: 0 done, 1 failed, 2 the arguments were not understood.

Examples:
  bpf-asm asm filter.bpf -o filter.bin
  bpf-asm asm filter.bpf | bpf-asm disasm
  echo 'r0 = 42; exit' | tr ';' '\\n' | bpf-asm asm - | bpf-asm run -
  bpf-asm dump program.o
`;

/** What `COMMAND --help` prints. */
export const HELP: Readonly<Record<CommandName, string>> = {
  asm: `Usage: bpf-asm asm [OPTION]... [INPUT]

Assembles text and prints the instructions in hexadecimal, eight bytes each.
${INPUT}

Options:
  -o, --output FILE            write the bytes to FILE instead
      --dialect NAME           kernel (r0 = 42, as bpftool prints; the default) or conformance (mov %r0, 42)
      --byte-order ORDER       little (the default) or big
      --json                   print {"bytes", "instructions"}

Examples:
  bpf-asm asm filter.bpf
  bpf-asm asm --dialect conformance add.asm -o add.bin
  printf 'r0 = 42\\nexit\\n' | bpf-asm asm -
`,
  disasm: `Usage: bpf-asm disasm [OPTION]... [INPUT]

Lists instructions as text that asm reads. Bytes that are no instruction are listed too, as raw.
${CODE}

Options:
      --dialect NAME           kernel (the default) or conformance
      --byte-order ORDER       little (the default) or big; an object file says it itself
      --labels                 name the targets of jumps
      --program NAME           of an object file: this program; the first where nothing is said
      --raw                    INPUT is bytes, even if it looks like something else
      --json                   print {"bytes", "instructions"}

Examples:
  bpf-asm disasm filter.bin
  echo b7000000020000009500000000000000 | bpf-asm disasm --labels -
`,
  run: `Usage: bpf-asm run [OPTION]... [INPUT]

Runs a program in the interpreter, with the address of a memory in r1 and its length in r2, and prints r0.
${CODE}

Options:
      --mem HEX                the memory; none where nothing is said
      --steps NUMBER           instructions that it may take; 1000000 where nothing is said
      --program NAME           of an object file: this program; the first where nothing is said
      --raw                    INPUT is bytes, even if it looks like something else
      --json                   print {"r0", "steps", "memory"}

Examples:
  bpf-asm run filter.bin --mem 'aa bb cc dd'
  bpf-asm asm filter.bpf | bpf-asm run --json -
`,
  dump: `Usage: bpf-asm dump [OPTION]... [INPUT]

Shows what is in an object file: its licence, maps and programs, with their functions and the author's lines. Raw bytes are listed.
${CODE}

Options:
      --type TYPE              of an object file: type of the programs whose section does not say it (sched_cls, xdp, …)
      --byte-order ORDER       of raw bytes: little (the default) or big
      --raw                    INPUT is bytes, even if it looks like something else
      --json                   print {"format", "programs", "maps", …}

Examples:
  bpf-asm dump program.o
  bpf-asm dump --json program.o
  bpf-asm dump --type sched_cls legacy.o
`,
  plugin: `Usage: bpf-asm plugin [MEMORY] [OPTION]...

A plugin of the BPF conformance suite: runs the program on standard input, in hexadecimal, and prints r0 in hexadecimal. MEMORY is
what r1 points to, in hexadecimal, and may be empty. The suite calls a program by its path alone, so give it a script:

  #!/bin/sh
  exec bpf-asm plugin "$@"

Options:
      --elf, --jit, --interpret, --debug   understood and of no effect: other plugins have them

Examples:
  echo b7000000020000009500000000000000 | bpf-asm plugin ''
  echo 71100000000000009500000000000000 | bpf-asm plugin '2a 00'
`,
};
