import { encodeFuncInfo, encodeLineInfo, funcInfoOf, lineInfoOf, type CodeSymbols } from './ext-info.ts';
import { addLayout, type BtfMap } from './from-layout.ts';
import type { BtfId } from './types.ts';
import { BtfBuilder, type BtfBuilderOptions } from './write.ts';

/** All that `BPF_BTF_LOAD`, `BPF_MAP_CREATE` and `BPF_PROG_LOAD` take of a program's BTF. */
export interface ProgramBtf {
  /** BTF for `BPF_BTF_LOAD`. */
  readonly bytes: Uint8Array;
  /** `func_info`, 8 bytes a record. */
  readonly funcInfo: Uint8Array;
  /** `line_info`, 16 bytes a record; empty where no instruction has a source. */
  readonly lineInfo: Uint8Array;
  /** `btf_key_type_id` and `btf_value_type_id` of each map that has both layouts, by the map's name. */
  readonly maps: ReadonlyMap<string, { readonly key: BtfId; readonly value: BtfId }>;
}

/**
 * The BTF of a program: its functions, the source of its instructions, and the types of its maps, so that the verifier's log quotes
 * the author's lines and `bpftool map dump` names fields.
 *
 * @param program - linked instructions, the functions by index, and the maps (the layouts of their keys and values matter here).
 * @param options - byte order of the machine.
 * @throws BpfAsmError `ERR_BTF` when functions are out of order, `ERR_OUT_OF_RANGE` when a line is.
 */
export function programBtf(
  program: CodeSymbols & { readonly maps?: readonly Pick<BtfMap, 'name' | 'key' | 'value'>[] },
  options: Pick<BtfBuilderOptions, 'byteOrder'> = {},
): ProgramBtf {
  const btf = new BtfBuilder(options);
  const funcInfo = encodeFuncInfo(funcInfoOf(btf, program), btf.byteOrder);
  const lineInfo = encodeLineInfo(btf, lineInfoOf(program));
  const maps = new Map<string, { key: BtfId; value: BtfId }>();
  for (const { name, key, value } of program.maps ?? []) {
    if (key !== undefined && value !== undefined)
      maps.set(name, { key: addLayout(btf, key), value: addLayout(btf, value) });
  }
  return { bytes: btf.bytes(), funcInfo, lineInfo, maps };
}
