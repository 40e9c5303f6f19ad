import { BpfAsmError } from '../error.ts';
import { checkInstructions } from '../isa/check.ts';
import { ALU_CODE, ATOMIC_CODE, JUMP_CODE, REGISTERS, type Instruction, type Target } from '../isa/index.ts';

/** A value that JSON has. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * An instruction as JSON: the object with the same `kind` and the same fields, `source` included. One thing differs: the value of a
 * constant 64-bit immediate, a bigint, is a decimal string.
 *
 * @example `{"kind":"ld_imm64","dst":"r1","value":{"type":"const","value":"18446744073709551615"}}`
 */
export type JsonInstruction = { readonly [key: string]: JsonValue };

/**
 * Turns instructions into what `JSON.stringify` takes.
 *
 * @param instructions - linked or not.
 * @returns an array of one object an instruction, of the shape of {@link JsonInstruction}.
 */
export function toJson(instructions: readonly Instruction<Target>[]): JsonInstruction[] {
  checkInstructions(instructions);
  return instructions.map((i) => {
    const plain =
      i.kind === 'ld_imm64' && i.value.type === 'const'
        ? { ...i, value: { type: 'const', value: String(i.value.value) } }
        : { ...i };
    return plain as unknown as JsonInstruction;
  });
}

/**
 * The inverse of {@link toJson}: `fromJson(toJson(x))` is `x`. Checks every field; ranges of numbers are left to `encode`.
 *
 * @param json - what `JSON.parse` gave.
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` that names the instruction and the field.
 */
export function fromJson(json: unknown): Instruction<Target>[] {
  if (!Array.isArray(json)) throw new BpfAsmError('ERR_INVALID_ARGUMENT', 'the instructions are not an array');
  return json.map((value: unknown, index) => {
    const fields = record(value) ?? fail(index, 'instruction', 'an object');
    const shape = member(SHAPES, fields['kind']) ?? fail(index, 'kind', 'the kind of an instruction');
    const made: Record<string, unknown> = { kind: fields['kind'] };
    for (const [name, check] of Object.entries(shape)) {
      const read = check(fields[name]);
      made[name] = read === undefined ? fail(index, name, `of the kind ${String(fields['kind'])}`) : read;
    }
    for (const name of Object.keys(fields))
      if (!Object.hasOwn(made, name) && name !== 'source') fail(index, name, 'a field of this kind');
    if (fields['source'] !== undefined)
      made['source'] = source(fields['source']) ?? fail(index, 'source', 'a file, a line and a column');
    return made as unknown as Instruction<Target>;
  });
}

/** Reads the value of a field; undefined where it is of the wrong kind. */
type Check = (value: unknown) => unknown;

const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value) ? value : undefined;
const integer: Check = (value) => (Number.isSafeInteger(value) ? value : undefined);
const text: Check = (value) => (typeof value === 'string' ? value : undefined);
const target: Check = (value) => text(value) ?? integer(value);
const register = oneOf(...REGISTERS);
const operand: Check = (value) => register(value) ?? integer(value);
const width = oneOf(32, 64);
const storeType = oneOf('u8', 'u16', 'u32', 'u64');
const legacyType = oneOf('u8', 'u16', 'u32');
const constant: Check = (value) => (typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : undefined);

type Shape = Readonly<Record<string, Check>>;

const VALUES: Readonly<Record<string, Shape>> = {
  const: { value: constant },
  map: { map: target },
  map_value: { map: target, offset: integer },
  btf_id: { id: integer, fd: integer },
  func: { target },
  map_index: { index: integer },
  map_index_value: { index: integer, offset: integer },
};

const SHAPES: Readonly<Record<Instruction['kind'], Shape>> = {
  alu: { op: oneOf(...Object.keys(ALU_CODE)), width, dst: register, src: operand },
  neg: { width, dst: register },
  movsx: { width, bits: oneOf(8, 16, 32), dst: register, src: register },
  end: { op: oneOf('le', 'be', 'bswap'), bits: oneOf(16, 32, 64), dst: register },
  addr_space_cast: { dst: register, src: register, dstSpace: integer, srcSpace: integer },
  mov_percpu: { dst: register, src: register },
  nospec: {},
  ld_imm64: { dst: register, value: imm64 },
  load: { type: oneOf('u8', 'u16', 'u32', 'u64', 's8', 's16', 's32'), dst: register, src: register, offset: integer },
  store: { type: storeType, dst: register, offset: integer, src: operand },
  atomic: { op: oneOf(...Object.keys(ATOMIC_CODE)), width, dst: register, offset: integer, src: register },
  load_acquire: { type: storeType, dst: register, src: register, offset: integer },
  store_release: { type: storeType, dst: register, offset: integer, src: register },
  ld_abs: { type: legacyType, offset: integer },
  ld_ind: { type: legacyType, src: register, offset: integer },
  ja: { target },
  gotol: { target },
  gotox: { dst: register },
  jump: { op: oneOf(...Object.keys(JUMP_CODE)), width, dst: register, src: operand, target },
  may_goto: { target },
  goto_or_nop: { target },
  call: { helper: integer },
  call_local: { target },
  call_kfunc: { id: integer, offset: integer },
  callx: { dst: register },
  exit: {},
  raw: { opcode: integer, dst: integer, src: integer, offset: integer, imm: integer },
};

function imm64(value: unknown): unknown {
  const fields = record(value);
  const shape = fields && member(VALUES, fields['type']);
  if (fields === undefined || shape === undefined) return undefined;
  const made: Record<string, unknown> = { type: fields['type'] };
  for (const [name, check] of Object.entries(shape)) {
    made[name] = check(fields[name]);
    if (made[name] === undefined) return undefined;
  }
  return made;
}

function source(value: unknown): unknown {
  const { file, line, column, text: words } = record(value) ?? {};
  if (text(file) === undefined || integer(line) === undefined || integer(column) === undefined) return undefined;
  if (words === undefined) return { file, line, column };
  return text(words) === undefined ? undefined : { file, line, column, text: words };
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function member<T>(table: Readonly<Record<string, T>>, key: unknown): T | undefined {
  return typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined;
}

function fail(instruction: number, field: string, expected: string): never {
  throw new BpfAsmError('ERR_INVALID_ARGUMENT', `field ${field} is not ${expected}`, { instruction, field });
}
