/** One field of a context. */
export interface ContextField {
  readonly name: string;
  /** Byte offset. */
  readonly offset: number;
  /** Size in bytes, of one element where the field is an array. */
  readonly size: 1 | 2 | 4 | 8;
  /** Elements, where it is an array. */
  readonly count?: number;
  /** Whether programs may write it; they may read every field that is listed. */
  readonly writable?: boolean;
  /**
   * Which accesses there are besides the whole field. `narrow`: reads of a part (the default); `start`: reads of a part at the
   * field's beginning; `whole`: none; `any`: reads and writes of any part and across elements.
   */
  readonly access?: 'narrow' | 'start' | 'whole' | 'any';
  /** Whether two elements of an array may be read, and written where it is writable, at once. */
  readonly pairs?: boolean;
  /** Whether a read may take the padding after the field too: four bytes for two. */
  readonly padded?: boolean;
  /** Whether a read gives an address rather than the field's bytes. */
  readonly pointer?: boolean;
}

/** A context or another structure that the kernel shows to programs field by field. */
export interface ContextLayout {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly ContextField[];
}

/** A number, or the numbers of an array. */
export type ContextValue = number | bigint | readonly number[];

/** Fields by their names; those that are not given are 0. */
export type ContextValues = Readonly<Record<string, ContextValue>>;

/** Bytes that a field takes with all its elements. */
export function fieldBytes(field: ContextField): number {
  return field.size * (field.count ?? 1);
}

/** The field that an access falls in, where the kernel allows it. */
export function allowedField(
  layout: ContextLayout,
  offset: number,
  size: number,
  write: boolean,
): ContextField | undefined {
  if (offset % size !== 0) return undefined;
  const field = layout.fields.find((one) => offset >= one.offset && offset < one.offset + fieldBytes(one));
  if (field === undefined || (write && field.writable !== true)) return undefined;
  if (field.padded === true && !write && offset === field.offset && size === 2 * field.size) return field;
  if (offset + size > field.offset + fieldBytes(field)) return undefined;
  if (field.access === 'any' || (field.pairs === true && size === 2 * field.size)) return field;
  if (size > field.size) return undefined;
  const inElement = (offset - field.offset) % field.size;
  if (inElement === 0 && size === field.size) return field;
  if (write || field.access === 'whole' || (field.access === 'start' && inElement !== 0)) return undefined;
  return field;
}

/** Short for a 32-bit field, of which parts may be read. */
export function u32(name: string, offset: number, rest: Partial<ContextField> = {}): ContextField {
  return { name, offset, size: 4, ...rest };
}

/** Short for a field of which a read gives an address. */
export function pointer(name: string, offset: number, size: 4 | 8): ContextField {
  return { name, offset, size, access: 'whole', pointer: true };
}
