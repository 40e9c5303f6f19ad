/** Numbers of the ELF format (elf(5)), as far as objects with eBPF use them. */

/** `e_machine` of eBPF. */
export const EM_BPF = 247;
/** `e_type` of a relocatable object. */
export const ET_REL = 1;
/** `e_ident[EI_CLASS]`: 64 bits. */
export const ELFCLASS64 = 2;
/** `e_ident[EI_DATA]` by byte order. */
export const ELFDATA = { little: 1, big: 2 } as const;

/** Sizes in bytes of the file's header, a section's header, a symbol and a relocation without addend. */
export const SIZEOF = { header: 64, section: 64, symbol: 24, relocation: 16 } as const;

/** Section types (`sh_type`). */
export const SHT = { NULL: 0, PROGBITS: 1, SYMTAB: 2, STRTAB: 3, RELA: 4, NOBITS: 8, REL: 9 } as const;
/** Section flags (`sh_flags`). */
export const SHF = { WRITE: 1, ALLOC: 2, EXECINSTR: 4, INFO_LINK: 0x40 } as const;
/** Symbol bindings (upper half of `st_info`). */
export const STB = { LOCAL: 0, GLOBAL: 1 } as const;
/** Symbol types (lower half of `st_info`). */
export const STT = { NOTYPE: 0, OBJECT: 1, FUNC: 2, SECTION: 3 } as const;

/**
 * Relocations of eBPF (Documentation/bpf/llvm_reloc.rst): of a 64-bit immediate load, and of a call, whose immediate is one less than the
 * number of slots from the symbol.
 */
export const R_BPF = { LD_IMM64: 1, CALL: 10 } as const;
