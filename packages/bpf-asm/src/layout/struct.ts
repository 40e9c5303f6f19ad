import type { ByteOrder } from '../isa/byte-order.ts';
import { Codec, MAX_SIZE, refuse, show, within } from './codec.ts';
import type { Field, FieldLayouts, InputOf, LayoutFault, StructLayout, ValueOf } from './layout.ts';

/** Options of {@link struct}. */
export interface StructOptions {
  /** Lay fields out without padding, whatever their alignment, as network headers are (`__attribute__((packed))`). */
  readonly packed?: boolean;
}

type Out<F extends FieldLayouts> = { -readonly [K in keyof F]: ValueOf<F[K]> };
type In<F extends FieldLayouts> = { readonly [K in keyof F]: InputOf<F[K]> };

class Struct<F extends FieldLayouts> extends Codec<Out<F>, In<F>> implements StructLayout<F> {
  readonly kind = 'struct';
  readonly label: string;
  readonly name: string;
  readonly packed: boolean;
  readonly size: number;
  readonly align: number;
  readonly fields: StructLayout<F>['fields'];
  readonly padding: readonly { readonly offset: number; readonly size: number }[];
  readonly #list: readonly Field[];
  readonly #byName: ReadonlyMap<string, Field>;

  constructor(name: string, layouts: F, packed: boolean) {
    super();
    const list: Field[] = [];
    const padding: { offset: number; size: number }[] = [];
    let end = 0;
    let align = 1;
    const place = (alignment: number): number => {
      const offset = packed ? end : Math.ceil(end / alignment) * alignment;
      if (offset > end) padding.push({ offset: end, size: offset - end });
      return offset;
    };
    for (const [field, layout] of Object.entries(layouts)) {
      const offset = place(layout.align);
      list.push({ name: field, offset, layout });
      end = offset + layout.size;
      if (!packed) align = Math.max(align, layout.align);
    }
    this.name = name;
    this.label = name;
    this.packed = packed;
    this.align = align;
    this.size = place(align);
    this.padding = padding;
    this.#list = list;
    this.#byName = new Map(list.map((field) => [field.name, field]));
    this.fields = Object.fromEntries(this.#byName) as StructLayout<F>['fields'];
  }

  check(value: unknown): LayoutFault | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
      return { path: '', problem: `is ${show(value)}, and must be an object with the fields of struct ${this.name}` };
    }
    for (const name in value) {
      if (!this.#byName.has(name)) return { path: `.${name}`, problem: `is no field of struct ${this.name}` };
    }
    for (const { name, layout } of this.#list) {
      const part = (value as Readonly<Record<string, unknown>>)[name];
      if (part === undefined) return { path: `.${name}`, problem: 'is missing' };
      const fault = layout.check(part);
      if (fault !== undefined) return within(`.${name}`, fault);
    }
    return undefined;
  }

  write(value: In<F>, into: Uint8Array, at: number): void {
    for (const { name, offset, layout } of this.#list) layout.write(value[name] as never, into, at + offset);
    for (const { offset, size } of this.padding) into.fill(0, at + offset, at + offset + size);
  }

  read(bytes: Uint8Array, at: number): Out<F> {
    const value: Record<string, unknown> = {};
    for (const { name, offset, layout } of this.#list) value[name] = layout.read(bytes, at + offset);
    return value as Out<F>;
  }

  checkPadding(bytes: Uint8Array, at: number): LayoutFault | undefined {
    for (const { offset, size } of this.padding) {
      for (let i = offset; i < offset + size; i++) {
        if (bytes[at + i] !== 0) return { path: '', problem: `has padding at byte ${i} that is not zero` };
      }
    }
    for (const { name, offset, layout } of this.#list) {
      const fault = layout.checkPadding(bytes, at + offset);
      if (fault !== undefined) return within(`.${name}`, fault);
    }
    return undefined;
  }

  forByteOrder(byteOrder: ByteOrder): this {
    const fields = this.#list.map(({ name, layout }) => [name, layout.forByteOrder(byteOrder)] as const);
    return new Struct(this.name, Object.fromEntries(fields) as unknown as F, this.packed) as this;
  }
}

const IDENTIFIER = /^[A-Za-z_]\w*$/;
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if inline int long register ' +
    'restrict return short signed sizeof static struct switch typedef union unsigned void volatile while'
  ).split(' '),
);

function identifier(role: string, name: string): void {
  if (IDENTIFIER.test(name) && !KEYWORDS.has(name) && name !== '__proto__') return;
  throw refuse(
    `${role} ${show(name)} is no name that C takes`,
    'use letters, digits and underscores, and no keyword of C',
  );
}

/**
 * A C struct: fields in order, each at its alignment, with the padding that a C compiler would leave. The padding is part of the
 * description and always zero in the bytes, so that two equal keys have equal bytes.
 *
 * There are no bit fields: two of them in one byte (version and header length of IPv4, say) are one `u8` and a mask.
 *
 * @param name - the tag of the struct in C and BTF.
 * @param fields - the layouts by field name, in order.
 * @param options - `packed` for network headers.
 * @throws BpfAsmError `ERR_LAYOUT` when a name is not one that C takes, or when there is no field.
 * @example
 * ```ts
 * const Key = struct('key', { address: ipv4Address, port: be16 });
 * Key.size;                                              // 8: two bytes of padding at the end
 * Key.encode({ address: '10.0.0.1', port: 80 });         // 0a 00 00 01 00 50 00 00
 * Key.fields.port.offset;                                // 4
 * type Key = ValueOf<typeof Key>;                        // { address: string; port: number }
 * ```
 */
export function struct<const F extends FieldLayouts>(
  name: string,
  fields: F,
  { packed = false }: StructOptions = {},
): StructLayout<F> {
  identifier('struct', name);
  if (typeof fields !== 'object' || fields === null) throw refuse(`struct ${name} has no field`);
  const names = Object.keys(fields);
  if (names.length === 0) throw refuse(`struct ${name} has no field`);
  for (const field of names) identifier(`field of struct ${name}`, field);
  const layout = new Struct(name, fields, packed);
  if (layout.size > MAX_SIZE) throw refuse(`struct ${name} takes ${layout.size} bytes, and ${MAX_SIZE} are the most`);
  return layout;
}
