import type { IrValue } from '../compile/index.ts';
import type { FieldLayouts, StructLayout } from '../layout/index.ts';
import type { Ended } from './ended.ts';
import { Place } from './place.ts';
import type { Scope } from './scope.ts';
import type { Value } from './value.ts';
import { structView, type View } from './view.ts';

/** Description of a header: its layout, what it offers besides its fields, and how long it is where that stands in the packet. */
export interface Header<F extends FieldLayouts = FieldLayouts, V = View<F>> {
  readonly layout: StructLayout<F>;
  /** Adds to the view of the fields what is read off them. */
  readonly view: (fields: View<F>, packet: PacketCursor) => V;
  /** Bytes in all, where it may be longer than its layout: options. */
  readonly length?: (fields: View<F>) => Value<'u32'>;
}

/** What can be parsed: a {@link Header}, or the layout of one that is nothing but its fields. */
export type AnyHeader =
  | StructLayout
  | {
      readonly layout: StructLayout;
      readonly view: (fields: never, packet: PacketCursor) => unknown;
      readonly length?: (fields: never) => Value<'u32'>;
    };

/** What parsing a header gives. */
export type HeaderView<H> = H extends { readonly view: (fields: never, packet: PacketCursor) => infer V }
  ? V
  : H extends StructLayout<infer F>
    ? View<F>
    : never;

/** Where the pointers to a packet's first byte and to the one after its last stand in a context. */
export interface PacketPointers {
  readonly data: number;
  readonly end: number;
  readonly size: 4 | 8;
  /** Why the packet cannot be written, if so. */
  readonly readOnly?: string;
}

/** The packet of a program: headers are parsed one after the other. */
export class PacketCursor {
  readonly #scope: () => Scope;
  readonly #pointers: PacketPointers;

  constructor(scope: () => Scope, pointers: PacketPointers) {
    this.#scope = scope;
    this.#pointers = pointers;
  }

  /** Goes back to the packet's first byte. */
  rewind(): void {
    const scope = this.#scope();
    scope.flow = { ...scope.flow, cursor: undefined };
  }

  /** Parses headers that follow each other, with one check for all of them; `truncated` ends the path where the packet is too short. */
  parse(headers: readonly AnyHeader[], truncated: () => Ended): unknown[] {
    const scope = this.#scope();
    const { base, offset } = this.#start(scope);
    const layouts = headers.map(layoutOf);
    const size = layouts.reduce((sum, layout) => sum + layout.size, 0);
    headers.slice(0, -1).forEach((header, index) => {
      if (!hasOptions(header)) return;
      const { name } = layouts[index] as StructLayout;
      throw scope.error(
        `${name} may have options, so that what follows it is at no fixed place`,
        'parse what follows in a call of its own',
      );
    });
    this.check(base, offset + size, truncated);
    let at = offset;
    const { epoch } = scope.flow;
    const { readOnly } = this.#pointers;
    const rules = {
      memory: 'packet',
      align: undefined,
      epoch,
      ...(readOnly === undefined ? {} : { readOnly }),
    } as const;
    return headers.map((header, index) => {
      const layout = layouts[index] as StructLayout;
      const fields = structView(new Place(scope, base, at, rules), layout);
      const start = at;
      at += layout.size;
      scope.flow = { ...scope.flow, cursor: { base, offset: at } };
      if (!('view' in header)) return fields;
      const { view, length } = header as unknown as Header<FieldLayouts, unknown>;
      if (length !== undefined) {
        scope.flow = { ...scope.flow, cursor: { base, offset: start, more: () => length(fields).ir } };
      }
      return view(fields, this);
    });
  }

  /** Checks that the packet has the bytes up to `base + length`. */
  check(base: IrValue, length: number, truncated: () => Ended): void {
    const scope = this.#scope();
    const { end } = this.#packet(scope);
    const b = scope.at();
    const [fail, go] = [b.block(), b.block()];
    const before = scope.flow;
    b.branch('jgt', b.alu('add', base, b.constant(length)), end, fail, go, { unlikely: 'yes' });
    b.enter(fail);
    truncated();
    if (scope.reachable) throw scope.error('the packet is too short, and the path goes on', 'end it: return a verdict');
    scope.flow = before;
    b.enter(go);
  }

  /** Says where the next header begins. */
  moveTo(base: IrValue, offset: number): void {
    const scope = this.#scope();
    scope.flow = { ...scope.flow, cursor: { base, offset } };
  }

  /** Where the next header begins: a pointer and a number of bytes. */
  #start(scope: Scope): { base: IrValue; offset: number } {
    const cursor = scope.cursor();
    if (cursor === undefined) return { base: this.#packet(scope).data, offset: 0 };
    if (cursor.more === undefined) return cursor;
    const by = cursor.more();
    return { base: scope.at().alu('add', cursor.base, by), offset: cursor.offset };
  }

  #packet(scope: Scope): { data: IrValue; end: IrValue } {
    scope.requireEpoch(scope.flow.epoch);
    if (scope.flow.packet !== undefined) return scope.flow.packet;
    const context = scope.requireContext();
    const b = scope.at();
    const { data, end, size } = this.#pointers;
    const type = size === 4 ? 'u32' : 'u64';
    const packet = { data: b.load(type, context, data, 'context'), end: b.load(type, context, end, 'context') };
    scope.flow = { ...scope.flow, packet };
    return packet;
  }
}

function layoutOf(header: AnyHeader): StructLayout {
  return ('layout' in header ? header.layout : header) as StructLayout;
}

function hasOptions(header: AnyHeader): boolean {
  return 'length' in header && header.length !== undefined;
}
