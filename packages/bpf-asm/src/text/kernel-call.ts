import { helperByName } from '../helpers/index.ts';
import { instructionFromFields, type Instruction, type Target } from '../isa/index.ts';
import { LARGEST, pc, SMALLEST } from './kernel-operands.ts';
import type { Scanner } from './scanner.ts';

/** Reads what is called: `bpf_map_lookup_elem#1`, `pc+3`, `kernel-function#5`, or the name of a helper or a label. */
export function parseCall(scanner: Scanner): Instruction<Target> {
  if (scanner.startsNumber()) return { kind: 'call', helper: scanner.integer(SMALLEST.s32, LARGEST.s32) };
  scanner.spaces();
  const at = scanner.at;
  if (scanner.accept('kernel-function')) return kernelFunction(scanner);
  if (scanner.text.startsWith('pc', at)) {
    const target = pc(scanner, 's32');
    return typeof target === 'number' && scanner.text.charCodeAt(scanner.at) === 35
      ? dumpedCall(scanner, target)
      : { kind: 'call_local', target };
  }
  const name = scanner.name('a function');
  if (scanner.text.charCodeAt(scanner.at) === 91) return kernelFunction(scanner);
  if (scanner.text.charCodeAt(scanner.at) === 35) {
    scanner.at++;
    return { kind: 'call', helper: scanner.integer(SMALLEST.s32, LARGEST.s32) };
  }
  const helper = name.startsWith('bpf_') ? helperByName(name) : undefined;
  return helper === undefined ? { kind: 'call_local', target: name } : { kind: 'call', helper: helper.id };
}

/** The end of `call kernel-function#5`, or of `call kernel-function[2]#5` where it is of a module. */
function kernelFunction(scanner: Scanner): Instruction {
  let offset = 0;
  if (scanner.accept('[')) {
    offset = scanner.integer(SMALLEST.s16, LARGEST.s16);
    scanner.expect(']');
  }
  scanner.expect('#');
  return { kind: 'call_kfunc', id: scanner.integer(SMALLEST.s32, LARGEST.s32), offset };
}

/** A local call as bpftool dumps it, `pc+3#` and a symbol, which is left out; or the raw fields of one, `pc+3#subprog[1]`. */
function dumpedCall(scanner: Scanner, target: number): Instruction<Target> {
  scanner.at++;
  if (scanner.accept('subprog[')) {
    const imm = scanner.integer(SMALLEST.s32, LARGEST.s32);
    scanner.expect(']');
    if (target < SMALLEST.s16 || target > LARGEST.s16) scanner.fail('a distance of 16 bits');
    return instructionFromFields({ opcode: 0x85, dst: 0, src: 1, offset: target, imm });
  }
  scanner.name('a symbol');
  return { kind: 'call_local', target };
}
