import { BpfAsmError } from '../error.ts';
import { MAX_DEPTH, Names, printLimit, resolve } from './names.ts';
import type { PrintTypesOptions } from './print-c.ts';
import type { Btf } from './read.ts';
import type { BtfComposite, BtfEnum, BtfEnum64, BtfId } from './types.ts';

/** Words that TypeScript refuses as the name of an interface or a constant in a module. */
const RESERVED: readonly string[] = (
  'any arguments as async await bigint boolean break case catch class const continue debugger default delete do else enum eval export ' +
  'extends false finally for function if implements import in instanceof interface let never new null number object package private ' +
  'protected public return static string super switch symbol this throw true try type typeof undefined unknown var void while with yield'
).split(' ');

/**
 * Prints structs and unions as TypeScript interfaces, with the types that decoding a layout gives: numbers up to 32 bits, bigints
 * beyond and for pointers, `string` for `char` arrays, `Uint8Array` for arrays of bytes. Members of structs without a name are those
 * of the struct around them. An enumeration becomes an object of its values and the type of them. Behind each member stands its C
 * type, where it has a name, and its place in bytes.
 *
 * @param btf - the types.
 * @param options - which of them; what they contain comes along.
 * @throws BpfAsmError `ERR_BTF` when the types make no sense: a struct that contains itself, a variable as a type.
 * @example
 * ```ts
 * printTs(readBtf(btfOf([Key]).btf.bytes()));
 * // export interface key {
 * //   readonly port: number; // __be16, byte 0
 * // }
 * ```
 */
export function printTs(btf: Btf, { ids }: PrintTypesOptions = {}): string {
  const printer = new TsPrinter(btf);
  for (const id of ids ?? Array.from(btf, ([own]) => own)) printer.top(id);
  return printer.text();
}

class TsPrinter {
  readonly #btf: Btf;
  readonly #names = new Names(RESERVED);
  readonly #out = new Map<BtfId, string>();
  #depth = 0;
  readonly #limit: number;
  #expressions = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#limit = printLimit(btf);
  }

  text(): string {
    return [...this.#out.values()].join('\n');
  }

  top(id: BtfId): void {
    const type = id === 0 ? undefined : this.#btf.type(id);
    if (type === undefined) return;
    if (type.kind === 'typedef' || 'name' in type) this.#named(id);
  }

  /** Prints the type that has a name of its own or by typedef, and gives that name; nothing where it is no struct or enumeration. */
  #named(id: BtfId): string | undefined {
    let name = '';
    let at = id;
    for (let steps = 0; at !== 0 && steps < MAX_DEPTH; steps++) {
      const type = this.#btf.type(at);
      if (type.kind === 'typedef') name = type.name;
      else if (
        type.kind !== 'const' &&
        type.kind !== 'volatile' &&
        type.kind !== 'restrict' &&
        type.kind !== 'type_tag'
      )
        break;
      at = type.type;
    }
    const type = at === 0 ? undefined : this.#btf.type(at);
    if (type === undefined || !('name' in type) || (type.name === '' && name === '')) return undefined;
    if (type.kind !== 'struct' && type.kind !== 'union' && type.kind !== 'enum' && type.kind !== 'enum64')
      return undefined;
    const own = this.#names.of(String(at), type.name === '' ? name : type.name);
    if (!this.#out.has(at)) {
      // Taken before it is printed, so that it stands before what it contains, and only once.
      this.#out.set(at, '');
      const isEnum = type.kind === 'enum' || type.kind === 'enum64';
      this.#out.set(at, isEnum ? enumeration(own, type) : `export interface ${own} ${this.#body(type, 0, '')}\n`);
    }
    return own;
  }

  #body(type: BtfComposite, base: number, indent: string): string {
    return `{\n${this.#members(type, base, `${indent}  `).join('')}${indent}}`;
  }

  #members(type: BtfComposite, base: number, indent: string): string[] {
    this.#count();
    if (++this.#depth > MAX_DEPTH)
      throw new BpfAsmError('ERR_BTF', `${type.kind} ${type.name} is nested too deep, or contains itself`);
    const lines = type.members.flatMap((member) => {
      const bits = base + member.bitOffset;
      const shape = resolve(this.#btf, member.type);
      if (member.name === '' && (shape?.kind === 'struct' || shape?.kind === 'union'))
        return this.#members(shape, bits, indent);
      const place = member.bitSize === 0 ? `byte ${bits / 8}` : `bits ${bits} to ${bits + member.bitSize - 1}`;
      const name = /^[A-Za-z_]\w*$/.test(member.name) ? member.name : JSON.stringify(member.name);
      const alias = this.#alias(member.type);
      const expression = this.#expression(member.type, bits, indent);
      return [`${indent}readonly ${name}: ${expression}; // ${alias === undefined ? '' : `${alias}, `}${place}\n`];
    });
    this.#depth--;
    return lines;
  }

  #count(): void {
    if (++this.#expressions > this.#limit) throw new BpfAsmError('ERR_BTF', 'the types go on for ever');
  }

  /** Name of a typedef of a number: what TypeScript's `number` does not say. */
  #alias(id: BtfId): string | undefined {
    const type = id === 0 ? undefined : this.#btf.type(id);
    if (type?.kind !== 'typedef') return undefined;
    const shape = resolve(this.#btf, id);
    return shape?.kind === 'int' || shape?.kind === 'float' ? type.name.replace(/\W/g, '_') : undefined;
  }

  #expression(id: BtfId, bits: number, indent: string): string {
    this.#count();
    const name = this.#named(id);
    if (name !== undefined) return name;
    const type = resolve(this.#btf, id);
    switch (type?.kind) {
      case undefined:
      case 'fwd':
        return 'unknown';
      case 'int':
        return type.encoding === 'bool' ? 'boolean' : type.size > 4 ? 'bigint' : 'number';
      case 'float':
      case 'enum':
        return 'number';
      case 'ptr':
      case 'enum64':
        return 'bigint';
      case 'array': {
        const element = resolve(this.#btf, type.element);
        if (element?.kind === 'int' && element.name === 'char') return 'string';
        if (element?.kind === 'int' && element.size === 1 && element.encoding === 'unsigned') return 'Uint8Array';
        if (++this.#depth > MAX_DEPTH)
          throw new BpfAsmError('ERR_BTF', `type ${id} is nested too deep, or contains itself`);
        const each = this.#expression(type.element, bits, indent);
        this.#depth--;
        return `${each}[]`;
      }
      case 'struct':
      case 'union':
        return this.#body(type, bits, indent);
      default:
        throw new BpfAsmError('ERR_BTF', `type ${id} (${type?.kind ?? 'void'}) is not one that a value can have`);
    }
  }
}

function enumeration(name: string, type: BtfEnum | BtfEnum64): string {
  const values = type.values.map(
    (v) => `  ${JSON.stringify(v.name)}: ${v.value}${typeof v.value === 'bigint' ? 'n' : ''},\n`,
  );
  return `export const ${name} = {\n${values.join('')}} as const;\nexport type ${name} = (typeof ${name})[keyof typeof ${name}];\n`;
}
