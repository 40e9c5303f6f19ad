import { MESSAGE_HEADER, type MessageFormat } from './message.ts';
import { ATTRIBUTE_HEADER, walkAttributes, type Policy } from './policy.ts';

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
  return within(format.policy, message.subarray(start), offset - start, []);
}

function within(table: Policy, bytes: Uint8Array, target: number, names: readonly string[]): AttributePath | undefined {
  const siblings: Record<string, unknown> = {};
  for (const { type, offset, data } of walkAttributes(bytes)) {
    const row = table.byType.get(type);
    const begin = offset + ATTRIBUTE_HEADER;
    if (target >= offset + ((ATTRIBUTE_HEADER + data.length + 3) & ~3)) {
      if (row?.attribute.kind.label.startsWith('text') === true) siblings[row.key] = row.attribute.kind.read(data, {});
      continue;
    }
    const path = [...names, row?.attribute.name ?? `type ${type}`];
    const inner = row?.attribute.kind.table?.(siblings);
    const skip = row?.attribute.kind.skip ?? 0;
    const inside = inner !== undefined && target >= begin + skip;
    const deeper =
      inside && isWalkable(data.subarray(skip))
        ? within(inner, data.subarray(skip), target - begin - skip, path)
        : undefined;
    return deeper ?? { path: path.join('.'), policy: inner };
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
