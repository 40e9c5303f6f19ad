import { BpfAsmError } from '../error.ts';
import { MAX_DEPTH, Names, printLimit } from './names.ts';
import { Padder } from './padder.ts';
import type { Btf } from './read.ts';
import { Sizes } from './sizes.ts';
import type { BtfComposite, BtfEnum, BtfEnum64, BtfFuncProto, BtfId, BtfTypedef } from './types.ts';

/** Options of {@link printC}. */
export interface PrintTypesOptions {
  /** Print these types, and what they need, in place of all. Functions and variables are printed only when asked for here. */
  readonly ids?: readonly BtfId[];
}

/**
 * Prints types as C declarations that a compiler for a 64-bit machine takes (GNU C) and lays out the same: each type before its
 * use, forward declarations where pointers go in circles, padding written out and `packed` where members are beside their alignment.
 * Two types of one name become `name` and `name___2`. Alignment that no member asks for (`aligned`) is not in BTF, and lost.
 *
 * @param btf - the types.
 * @param options - which of them.
 * @throws BpfAsmError `ERR_BTF` when the types make no sense in C: a struct that contains itself, a variable as a type.
 * @example
 * ```ts
 * const vmlinux = readBtf(readFileSync('/sys/kernel/btf/vmlinux'));
 * printC(vmlinux, { ids: [vmlinux.find('iphdr', 'struct')] });
 * ```
 */
export function printC(btf: Btf, { ids }: PrintTypesOptions = {}): string {
  const printer = new CPrinter(btf);
  if (ids === undefined)
    for (const [id, { kind }] of btf) if (kind !== 'func' && kind !== 'var' && kind !== 'datasec') printer.top(id);
  for (const id of ids ?? []) printer.top(id);
  return printer.text();
}

class CPrinter {
  readonly #btf: Btf;
  readonly #names = new Names();
  readonly #sizes: Sizes;
  readonly #out: string[] = [];
  readonly #state = new Map<BtfId, 'open' | 'done'>();
  readonly #declared = new Set<string>();
  #depth = 0;
  readonly #limit: number;
  #declarators = 0;
  #paddings = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#sizes = new Sizes(btf);
    this.#limit = printLimit(btf);
  }

  text(): string {
    return this.#out.join('\n');
  }

  /** Prints a type and what it needs; a type without a name has nothing to print on its own. */
  top(id: BtfId): void {
    const type = id === 0 ? undefined : this.#btf.type(id);
    if (type?.kind === 'func') {
      this.#need(type.type, false);
      this.#out.push(`${this.#declare(type.type, this.#names.of(`ordinary ${id}`, type.name))};\n`);
    } else if (type?.kind === 'var') {
      this.#need(type.type, true);
      this.#out.push(`extern ${this.#declare(type.type, this.#names.of(`ordinary ${id}`, type.name))};\n`);
    } else if (type?.kind === 'datasec') {
      for (const variable of type.variables) if (this.#btf.type(variable.type).kind === 'var') this.top(variable.type);
    } else if (type !== undefined && type.kind !== 'decl_tag' && type.kind !== 'unknown') {
      this.#need(id, true);
    }
  }

  /** Prints what must stand before a use of a type; `complete` where the use is of a value and not behind a pointer. */
  #need(id: BtfId, complete: boolean): void {
    if (id === 0) return;
    if (++this.#depth > MAX_DEPTH) throw refuse(`type ${id} is nested too deep, or contains itself`);
    const type = this.#btf.type(id);
    switch (type.kind) {
      case 'ptr':
        this.#need(type.type, false);
        break;
      case 'const':
      case 'volatile':
      case 'restrict':
      case 'type_tag':
        this.#need(type.type, complete);
        break;
      case 'array':
        this.#need(type.element, true);
        break;
      case 'func_proto':
        this.#need(type.returns, false);
        for (const param of type.params) this.#need(param.type, false);
        break;
      case 'typedef':
        this.#typedef(id, type);
        if (complete) this.#need(type.type, true);
        break;
      case 'struct':
      case 'union':
        if (type.name !== '' && !complete) this.#forward(type.kind, this.#tag(id, type.kind, type.name));
        else this.#composite(id, type);
        break;
      case 'fwd':
        this.#forward(type.of, this.#tag(id, type.of, type.name));
        break;
      case 'enum':
      case 'enum64':
        if (type.name !== '' && this.#enter(id)) this.#out.push(`${this.#enum(id, type)};\n`);
        break;
      case 'int':
      case 'float':
        break;
      default:
        throw refuse(`type ${id} (${type.kind}) is not one that a value can have`);
    }
    this.#depth--;
  }

  #enter(id: BtfId): boolean {
    if (this.#state.has(id)) return false;
    this.#state.set(id, 'done');
    return true;
  }

  #typedef(id: BtfId, type: BtfTypedef): void {
    if (!this.#enter(id)) return;
    this.#need(type.type, false);
    // The compiler has this one, of a type that it alone can name.
    if (type.name === '__builtin_va_list') return;
    this.#out.push(`typedef ${this.#declare(type.type, this.#names.of(`ordinary ${id}`, type.name))};\n`);
  }

  #forward(kind: string, tag: string): void {
    const declaration = `${kind} ${tag};\n`;
    if (this.#declared.has(declaration)) return;
    this.#declared.add(declaration);
    this.#out.push(declaration);
  }

  #composite(id: BtfId, type: BtfComposite): void {
    const state = this.#state.get(id);
    if (state === 'done') return;
    if (state === 'open') throw refuse(`${type.kind} ${type.name} contains itself`);
    this.#state.set(id, 'open');
    for (const member of type.members) this.#need(member.type, true);
    if (type.name !== '') {
      this.#declared.add(`${type.kind} ${this.#tag(id, type.kind, type.name)};\n`);
      this.#out.push(`${this.#body(id, type, '')};\n`);
    }
    this.#state.set(id, 'done');
  }

  /** A struct that is only declared is the first of that name that is defined, where there is one. */
  #tag(id: BtfId, kind: 'struct' | 'union', name: string): string {
    const declared = this.#btf.type(id).kind === 'fwd';
    const same = declared ? (this.#btf.find(name, kind) ?? `${kind} ${name}`) : id;
    return this.#names.of(`tag ${same}`, name);
  }

  /** `struct name { … }` with its members, indented by `indent`. */
  #body(id: BtfId, type: BtfComposite, indent: string): string {
    const { packed, align } = this.#sizes.of(id);
    const inner = `${indent}\t`;
    const padder = new Padder(packed, align, () => `__padding_${this.#paddings++}`);
    const lines: string[] = [];
    for (const member of type.members) {
      const { size, align: memberAlign } = this.#sizes.of(member.type);
      if (type.kind === 'struct') lines.push(...padder.before(member, size, memberAlign));
      const width = member.bitSize === 0 ? '' : ` : ${member.bitSize}`;
      lines.push(`${this.#declare(member.type, member.name.replace(/\W/g, '_'), inner)}${width};`);
      padder.after(member, size);
    }
    lines.push(...padder.end(type.size, type.kind === 'union'));
    const head = type.name === '' ? type.kind : `${type.kind} ${this.#tag(id, type.kind, type.name)}`;
    const members = lines.map((line) => `${inner}${line}\n`).join('');
    return `${head} {\n${members}${indent}}${packed ? ' __attribute__((packed))' : ''}`;
  }

  #enum(id: BtfId, type: BtfEnum | BtfEnum64): string {
    const head = type.name === '' ? 'enum' : `enum ${this.#names.of(`tag ${id}`, type.name)}`;
    if (type.values.length === 0) return head;
    const values = type.values.map(
      ({ name, value }, i) => `\t${this.#names.of(`ordinary ${id} ${i}`, name)} = ${constant(value)},\n`,
    );
    const mode = { 1: 'byte', 2: 'HI', 8: 'DI' }[type.size];
    return `${head} {\n${values.join('')}}${mode === undefined ? '' : ` __attribute__((mode(${mode})))`}`;
  }

  /** The declaration of `name` as of the type `id`: C is read from the name outwards, and so it is made. */
  #declare(id: BtfId, name: string, indent = ''): string {
    if (++this.#declarators > this.#limit) throw refuse('the types go on for ever');
    let inner = name;
    let pointed = false;
    let at = id;
    for (let steps = 0; steps < MAX_DEPTH; steps++) {
      const { qualifiers, id: bare } = this.#unqualified(at);
      const type = bare === 0 ? undefined : this.#btf.type(bare);
      if (type?.kind === 'ptr') {
        inner = `*${qualifiers.length === 0 ? '' : `${qualifiers.join(' ')} `}${inner}`;
        pointed = true;
        at = type.type;
      } else if (type?.kind === 'array') {
        inner = `${pointed ? `(${inner})` : inner}[${type.length}]`;
        pointed = false;
        // A qualifier of an array is one of its elements.
        if (qualifiers.length > 0) return this.#qualified(qualifiers, this.#declare(type.element, inner, indent));
        at = type.element;
      } else if (type?.kind === 'func_proto') {
        inner = `${pointed ? `(${inner})` : inner}(${this.#params(type)})`;
        pointed = false;
        at = type.returns;
      } else {
        const specifier = bare === 0 ? 'void' : this.#specifier(bare, indent);
        return this.#qualified(qualifiers, inner === '' ? specifier : `${specifier} ${inner}`);
      }
    }
    throw refuse(`type ${id} is nested too deep, or contains itself`);
  }

  #qualified(qualifiers: readonly string[], declaration: string): string {
    return [...qualifiers.filter((word) => word !== 'restrict'), declaration].join(' ');
  }

  #unqualified(id: BtfId): { qualifiers: string[]; id: BtfId } {
    const qualifiers: string[] = [];
    let at = id;
    for (let steps = 0; steps < MAX_DEPTH && at !== 0; steps++) {
      const type = this.#btf.type(at);
      if (type.kind !== 'const' && type.kind !== 'volatile' && type.kind !== 'restrict' && type.kind !== 'type_tag')
        break;
      if (type.kind !== 'type_tag' && !qualifiers.includes(type.kind)) qualifiers.push(type.kind);
      at = type.type;
    }
    return { qualifiers, id: at };
  }

  #params({ params }: BtfFuncProto): string {
    if (params.length === 0) return 'void';
    return params
      .map(({ name, type }, i) =>
        type === 0 && name === '' && i === params.length - 1 ? '...' : this.#declare(type, name.replace(/\W/g, '_')),
      )
      .join(', ');
  }

  #specifier(id: BtfId, indent: string): string {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case 'int':
      case 'float':
        return type.name;
      case 'typedef':
        return type.name === '__builtin_va_list' ? type.name : this.#names.of(`ordinary ${id}`, type.name);
      case 'struct':
      case 'union':
        return type.name === '' ? this.#body(id, type, indent) : `${type.kind} ${this.#tag(id, type.kind, type.name)}`;
      case 'enum':
      case 'enum64':
        return type.name === '' ? this.#enum(id, type) : `enum ${this.#names.of(`tag ${id}`, type.name)}`;
      case 'fwd':
        return `${type.of} ${this.#tag(id, type.of, type.name)}`;
      default:
        throw refuse(`type ${id} (${type.kind}) is not one that a value can have`);
    }
  }
}

/** A constant that no compiler warns about or reads as another. */
function constant(value: number | bigint): string {
  if (typeof value === 'number') return String(value);
  if (value === -(1n << 63n)) return `(-${(1n << 63n) - 1n}LL - 1)`;
  return value > (1n << 63n) - 1n ? `${value}ULL` : `${value}LL`;
}

function refuse(message: string): BpfAsmError {
  return new BpfAsmError('ERR_BTF', message);
}
