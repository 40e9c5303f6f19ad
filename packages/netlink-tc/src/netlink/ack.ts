import { constants } from 'node:os';
import { codeOfErrno, NetlinkTcError, type NetlinkTcErrorCode } from '../error.ts';
import { LITTLE_ENDIAN } from './host.ts';
import { bytes, nest, text, u32, u64 } from './kinds.ts';
import { MESSAGE_HEADER, NLM_F, NLMSG, typeName, type MessageFormat, type RawMessage } from './message.ts';
import { attributeAt } from './path.ts';
import { malformed, policy, readAttributes, type Attributes, type Policy } from './policy.ts';

const { errno: E } = constants;

/** What the kernel would have accepted: `NL_POLICY_TYPE_ATTR_*` (5.8). */
export interface PolicyBounds extends Attributes {
  readonly type?: number | undefined;
  readonly minUnsigned?: bigint | undefined;
  readonly maxUnsigned?: bigint | undefined;
  readonly minSigned?: bigint | undefined;
  readonly maxSigned?: bigint | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly mask?: bigint | undefined;
}

const BOUNDS: Policy<PolicyBounds> = policy<PolicyBounds>({
  type: [1, 'NL_POLICY_TYPE_ATTR_TYPE', u32],
  minSigned: [2, 'NL_POLICY_TYPE_ATTR_MIN_VALUE_S', u64],
  maxSigned: [3, 'NL_POLICY_TYPE_ATTR_MAX_VALUE_S', u64],
  minUnsigned: [4, 'NL_POLICY_TYPE_ATTR_MIN_VALUE_U', u64],
  maxUnsigned: [5, 'NL_POLICY_TYPE_ATTR_MAX_VALUE_U', u64],
  minLength: [6, 'NL_POLICY_TYPE_ATTR_MIN_LENGTH', u32],
  maxLength: [7, 'NL_POLICY_TYPE_ATTR_MAX_LENGTH', u32],
  mask: [12, 'NL_POLICY_TYPE_ATTR_MASK', u64],
});

/** Attributes of an extended acknowledgement: `NLMSGERR_ATTR_*` (4.12; policy 5.8, missing ones 6.1). */
export interface ExtendedAck extends Attributes {
  /** The kernel's words. */
  readonly message?: string | undefined;
  /** Byte of the request that it complains of. */
  readonly offset?: number | undefined;
  readonly cookie?: Uint8Array | undefined;
  readonly policy?: PolicyBounds | undefined;
  /** Number of the attribute that is missing. */
  readonly missingType?: number | undefined;
  /** Byte of the nest that it is missing from. */
  readonly missingNest?: number | undefined;
}

/** Table of {@link ExtendedAck}. */
export const EXTENDED_ACK: Policy<ExtendedAck> = policy<ExtendedAck>({
  message: [1, 'NLMSGERR_ATTR_MSG', text(4096)],
  offset: [2, 'NLMSGERR_ATTR_OFFS', u32],
  cookie: [3, 'NLMSGERR_ATTR_COOKIE', bytes(0, 64)],
  policy: [4, 'NLMSGERR_ATTR_POLICY', nest(BOUNDS)],
  missingType: [5, 'NLMSGERR_ATTR_MISS_TYPE', u32],
  missingNest: [6, 'NLMSGERR_ATTR_MISS_NEST', u32],
});

/** How a request ended. */
export interface Acknowledgement {
  /** Zero, or the negative error number. */
  readonly result: number;
  readonly extended: ExtendedAck;
}

/**
 * Reads an `NLMSG_ERROR` or the `NLMSG_DONE` at the end of a dump: both carry an error number and, where the flag says so, an
 * extended acknowledgement.
 * @throws NetlinkTcError `ERR_PROTOCOL` when it is too short or its attributes are malformed
 */
export function readAcknowledgement({ header, payload }: RawMessage): Acknowledgement {
  const done = header.type === NLMSG.DONE;
  if (payload.length < 4) {
    // A DONE without payload is what kernels before 2.6 and some families send.
    if (done) return { result: 0, extended: {} };
    throw malformed(`an acknowledgement of ${payload.length} bytes`);
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const result = view.getInt32(0, LITTLE_ENDIAN);
  if ((header.flags & NLM_F.ACK_TLVS) === 0) return { result, extended: {} };
  let start = 4;
  if (!done) {
    if (payload.length < 4 + MESSAGE_HEADER) throw malformed('an acknowledgement without the header it answers');
    // Only the header of the request comes back when the rest was left out ("capped").
    const capped = (header.flags & NLM_F.CAPPED) !== 0;
    start += capped ? MESSAGE_HEADER : (view.getUint32(4, LITTLE_ENDIAN) + 3) & ~3;
  }
  if (start > payload.length) throw malformed('an acknowledgement whose attributes begin past its end');
  return { result, extended: readAttributes(EXTENDED_ACK, payload.subarray(start)) };
}

/** What a request was, for the error about it. */
export interface RefusedRequest {
  /** In words: `create link veth0`. */
  readonly what: string;
  readonly format: MessageFormat;
  readonly type: number;
  /** The whole message as it was sent. */
  readonly message: Uint8Array;
  /** What to do, by error number, where this request knows it better. */
  readonly hints?: Readonly<Record<number, string>>;
}

const CODES: ReadonlyMap<number, NetlinkTcErrorCode> = new Map<number, NetlinkTcErrorCode>([
  // rtnetlink says so of addresses and routes that are not there.
  [E.EADDRNOTAVAIL, 'ERR_NOT_FOUND'],
]);

/** The error of a request that the kernel refused: with its words, the attribute it complains of, and what it would accept. */
export function refusal({ result, extended }: Acknowledgement, request: RefusedRequest): NetlinkTcError {
  const errno = Math.abs(result);
  const attribute = complaint(extended, request);
  const words = [extended.message, attribute === undefined ? undefined : `(${attribute})`].filter(Boolean).join(' ');
  const hint = request.hints?.[errno] ?? hintFor(errno, extended);
  return new NetlinkTcError(
    CODES.get(errno) ?? codeOfErrno(errno),
    `cannot ${request.what}${words === '' ? '' : `: ${words}`}`,
    {
      errno,
      syscall: `netlink(${typeName(request.format, request.type)})`,
      ...(extended.message === undefined ? {} : { kernelMessage: extended.message }),
      ...(attribute === undefined ? {} : { attribute }),
      ...(hint === undefined ? {} : { hint }),
    },
  );
}

function complaint(
  { offset, missingType, missingNest }: ExtendedAck,
  { format, message }: RefusedRequest,
): string | undefined {
  if (missingType !== undefined) {
    const nestAt =
      missingNest === undefined ? { path: '', policy: format.policy } : attributeAt(format, message, missingNest);
    const name = nestAt?.policy?.byType.get(missingType)?.attribute.name ?? `type ${missingType}`;
    return nestAt === undefined || nestAt.path === '' ? name : `${nestAt.path}.${name}`;
  }
  if (offset === undefined) return undefined;
  const path = attributeAt(format, message, offset)?.path;
  return path === '' ? undefined : path;
}

function hintFor(errno: number, { policy: bounds, missingType }: ExtendedAck): string | undefined {
  if (missingType !== undefined) return 'the request lacks this attribute';
  if (bounds !== undefined) {
    const { minUnsigned, maxUnsigned, minSigned, maxSigned, minLength, maxLength, mask } = bounds;
    const low = minUnsigned ?? (minSigned === undefined ? undefined : BigInt.asIntN(64, minSigned)) ?? minLength;
    const high = maxUnsigned ?? (maxSigned === undefined ? undefined : BigInt.asIntN(64, maxSigned)) ?? maxLength;
    const unit = minUnsigned === undefined && minSigned === undefined && maxUnsigned === undefined ? ' bytes' : '';
    if (mask !== undefined) return `the kernel accepts the bits 0x${mask.toString(16)}`;
    if (low !== undefined || high !== undefined) return `the kernel accepts ${low ?? 0} to ${high ?? 'any'}${unit}`;
  }
  if (errno === E.EPERM) return 'it needs CAP_NET_ADMIN in the user namespace that owns the network namespace';
  return undefined;
}
