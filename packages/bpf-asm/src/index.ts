/**
 * A total eBPF assembler in pure TypeScript: instructions, labels and linking, text, layouts, BTF, an interpreter and object
 * files. Nothing here looks at the machine it runs on.
 *
 * @packageDocumentation
 */
export * from './error.ts';
export * from './isa/index.ts';
export * from './asm/index.ts';
export * from './helpers/index.ts';
export * from './layout/index.ts';
export * from './btf/index.ts';
export * from './text/index.ts';
export * from './vm/index.ts';
export * from './lang/index.ts';
export * from './elf/index.ts';
export * from './compile/index.ts';
