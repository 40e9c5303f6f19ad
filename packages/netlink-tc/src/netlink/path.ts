import { MESSAGE_HEADER, type MessageFormat } from './message.ts';
import { ATTRIBUTE_HEADER, walkAttributes, type Attribute, type AttributeKind, type Policy } from './policy.ts';

/** Where an offset into a message leads. */
export interface AttributePath {
  /** Names from the outermost attribute on, joined by dots: `IFLA_LINKINFO.IFLA_INFO_KIND`. Empty for the message itself. */
  readonly path: string;
  /** The table of what lies in the last of them; undefined where that is no nest. */
  readonly policy: Policy | undefined;
}

/**
 * Finds the attribute that an offset points into, as the kernel gives it in an extended acknowledgement: from the beginning of
 * the message's header to the header of an attribute, or into its payload.
 * @param message the whole message as it was sent, header included
 * @returns the path of the innermost attribute there, or nothing where the offset leads outside all attributes
 */
export function attributeAt(format: MessageFormat, message: Uint8Array, offset: number): AttributePath | undefined {
  const start = MESSAGE_HEADER + ((format.header.size + 3) & ~3);
  if (offset < MESSAGE_HEADER || offset >= message.length) return undefined;
  if (offset < start) return { path: '', policy: format.policy };
  return within(rowsOf(format.policy), message.subarray(start), offset - start, []);
}

/** What the attribute of a number is, where something is said of it. */
type Rows = (type: number) => { readonly key: string; readonly attribute: Attribute } | undefined;

function rowsOf({ byType }: Policy): Rows {
  return (type) => byType.get(type);
}

/** What lies in an attribute: by a table, or elements of a list, which are called by their numbers. */
function rowsIn({ element }: AttributeKind, table: Policy | undefined): Rows | undefined {
  if (element !== undefined) return (type) => ({ key: '', attribute: { type, name: `[${type}]`, kind: element } });
  return table === undefined ? undefined : rowsOf(table);
}

function within(rows: Rows, bytes: Uint8Array, target: number, names: readonly string[]): AttributePath | undefined {
  const siblings: Record<string, unknown> = {};
  for (const { type, offset, data } of walkAttributes(bytes)) {
    const row = rows(type);
    const begin = offset + ATTRIBUTE_HEADER;
    if (target >= offset + ((ATTRIBUTE_HEADER + data.length + 3) & ~3)) {
      if (row?.attribute.kind.label.startsWith('text') === true) siblings[row.key] = row.attribute.kind.read(data, {});
      continue;
    }
    const path = [...names, row?.attribute.name ?? `type ${type}`];
    if (row === undefined) return { path: path.join('.'), policy: undefined };
    const { kind } = row.attribute;
    const policy = kind.table?.(siblings);
    const { skip = 0 } = kind;
    const inner = target >= begin + skip && isWalkable(data.subarray(skip)) ? rowsIn(kind, policy) : undefined;
    const deeper = inner && within(inner, data.subarray(skip), target - begin - skip, path);
    return deeper ?? { path: path.join('.'), policy };
  }
  return undefined;
}

/** Whether bytes are attributes: options of a kind that nobody has described may be a struct. */
function isWalkable(bytes: Uint8Array): boolean {
  try {
    for (const _ of walkAttributes(bytes)) continue;
    return true;
  } catch {
    return false;
  }
}
