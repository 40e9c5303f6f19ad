import { struct, u32, u8 } from 'bpf-asm/layout';
import { NetlinkTcError } from '../error.ts';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import {
  dumpRequest,
  NLM_F,
  nothing,
  policy,
  request,
  type Attributes,
  type Message,
  type MessageFormat,
  type Request,
} from '../netlink/index.ts';
import { familyName, familyNumber, formatPrefix, parsePrefix, type Family } from './prefix.ts';
import { isIp } from './route-format.ts';
import { ROUTE_PROTOCOL } from './route.ts';

/** `struct fib_rule_hdr` (`linux/fib_rules.h`). */
export interface RuleHeader {
  readonly family: number;
  readonly destinationLength: number;
  readonly sourceLength: number;
  readonly tos: number;
  readonly table: number;
  readonly action: number;
  readonly flags: number;
}

/** Attributes of rules, `FRA_*`. */
export interface RuleAttributes extends Attributes {
  readonly destination?: string | undefined;
  readonly source?: string | undefined;
  readonly inputDevice?: string | undefined;
  readonly goto?: number | undefined;
  readonly priority?: number | undefined;
  readonly mark?: number | undefined;
  readonly suppressPrefixLength?: number | undefined;
  readonly table?: number | undefined;
  readonly mask?: number | undefined;
  readonly outputDevice?: string | undefined;
  readonly protocol?: number | undefined;
  readonly ipProtocol?: number | undefined;
}

/** Types of messages about rules. */
export const RTM_RULE = { RTM_NEWRULE: 32, RTM_DELRULE: 33, RTM_GETRULE: 34 } as const;

/** How messages about rules look. */
export const RULE: MessageFormat<RuleHeader, RuleAttributes> = {
  noun: 'rule',
  header: native(
    struct('fib_rule_hdr', {
      family: u8,
      destinationLength: u8,
      sourceLength: u8,
      tos: u8,
      table: u8,
      reserved1: u8,
      reserved2: u8,
      action: u8,
      flags: u32,
    }),
  ) as unknown as MessageFormat<RuleHeader>['header'],
  policy: policy<RuleAttributes>({
    destination: [1, 'FRA_DST', a.ip],
    source: [2, 'FRA_SRC', a.ip],
    inputDevice: [3, 'FRA_IIFNAME', a.text(15)],
    goto: [4, 'FRA_GOTO', a.u32],
    priority: [6, 'FRA_PRIORITY', a.u32],
    mark: [10, 'FRA_FWMARK', a.u32],
    suppressPrefixLength: [14, 'FRA_SUPPRESS_PREFIXLEN', a.i32],
    table: [15, 'FRA_TABLE', a.u32],
    mask: [16, 'FRA_FWMASK', a.u32],
    outputDevice: [17, 'FRA_OIFNAME', a.text(15)],
    protocol: [21, 'FRA_PROTOCOL', a.u8],
    ipProtocol: [22, 'FRA_IP_PROTO', a.u8],
  }),
  types: RTM_RULE,
};

const ACTIONS = { lookup: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const;
const INVERT = 2;

/** What a rule does with what it matches, `FR_ACT_*`. */
export type RuleAction = keyof typeof ACTIONS;

/** A rule of the routing policy. */
export interface Rule {
  readonly family: Family;
  /** The lower is asked first. */
  readonly priority: number;
  readonly action: RuleAction;
  /** The table that `lookup` looks into. */
  readonly table: number;
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly mark: number | undefined;
  readonly mask: number | undefined;
  /** Names of links. */
  readonly inputDevice: string | undefined;
  readonly outputDevice: string | undefined;
  /** Whether it matches what the rest does not. */
  readonly invert: boolean;
  readonly tos: number;
  readonly ipProtocol: number | undefined;
  /** Routes with a prefix as short as this or shorter do not count. */
  readonly suppressPrefixLength: number | undefined;
  readonly goto: number | undefined;
  readonly protocol: number;
}

/** A rule to add, or the one to delete: what is left out of the latter matches any. */
export type RuleSpec = { readonly family: Family } & Partial<Omit<Rule, 'family'>>;

function change(message: number, flags: number, verb: string, spec: RuleSpec): Request<void> {
  const deleting = message === RTM_RULE.RTM_DELRULE;
  const { family, priority, source, destination, mark, inputDevice, outputDevice, invert = false } = spec;
  const { table, tos = 0, ipProtocol, suppressPrefixLength, goto, action = 'lookup', protocol } = spec;
  if (!deleting && action === 'lookup' && table === undefined) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'a rule that looks up needs a table');
  }
  const ends = { source, destination };
  const prefixes = Object.entries(ends).map(
    ([key, text]) => [key, text === undefined ? undefined : parsePrefix(text)] as const,
  );
  for (const [key, prefix] of prefixes) {
    if (prefix !== undefined && prefix.family !== family) {
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `the ${key} of an ${family} rule is ${prefix.address}`);
    }
  }
  const [from, to] = prefixes.map(([, prefix]) => prefix);
  return request({
    what: `${verb} ${family} rule ${priority ?? ''}`.trimEnd(),
    format: RULE,
    type: message,
    flags,
    header: {
      family: familyNumber(family),
      sourceLength: from?.length ?? 0,
      destinationLength: to?.length ?? 0,
      tos,
      table: table !== undefined && table < 256 ? table : 0,
      action: deleting && spec.action === undefined ? 0 : ACTIONS[action],
      flags: invert ? INVERT : 0,
    },
    attributes: {
      source: from?.address,
      destination: to?.address,
      inputDevice,
      outputDevice,
      priority,
      mark,
      mask: spec.mask,
      table,
      goto,
      suppressPrefixLength,
      ipProtocol,
      protocol: protocol ?? (deleting ? undefined : ROUTE_PROTOCOL.boot),
    },
    answer: nothing,
  });
}

/**
 * Adds a rule. Without a priority the kernel puts it before all others.
 * @throws NetlinkTcError from the socket: `ERR_EXISTS` when the same rule is there
 */
export function addRule(spec: RuleSpec): Request<void> {
  return change(RTM_RULE.RTM_NEWRULE, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Deletes the first rule that matches. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function deleteRule(spec: RuleSpec): Request<void> {
  return change(RTM_RULE.RTM_DELRULE, 0, 'delete', spec);
}

/** Lists rules, of both families unless one is named, in the order in which they are asked. */
export function listRules(filter: { readonly family?: Family } = {}): Request<Rule[]> {
  return dumpRequest({
    what: 'list rules',
    brief: true,
    format: RULE,
    type: RTM_RULE.RTM_GETRULE,
    header: { family: familyNumber(filter.family) },
    answer: (messages) => messages.filter(({ header }) => isIp(header.family)).map(ruleOf),
  });
}

/** Understands a message about a rule. */
export function ruleOf({ header, attributes }: Message<RuleHeader, RuleAttributes>): Rule {
  const {
    source,
    destination,
    table = header.table,
    priority = 0,
    protocol = 0,
    suppressPrefixLength,
    mark,
    mask,
  } = attributes;
  const prefix = (address: string | undefined, length: number): string | undefined =>
    address === undefined ? undefined : formatPrefix(address, length, header.family);
  return {
    family: familyName(header.family),
    priority,
    action: (Object.keys(ACTIONS) as RuleAction[]).find((name) => ACTIONS[name] === header.action) ?? 'nop',
    table,
    source: prefix(source, header.sourceLength),
    destination: prefix(destination, header.destinationLength),
    mark,
    mask,
    inputDevice: attributes.inputDevice,
    outputDevice: attributes.outputDevice,
    invert: (header.flags & INVERT) !== 0,
    tos: header.tos,
    ipProtocol: attributes.ipProtocol,
    suppressPrefixLength: suppressPrefixLength === -1 ? undefined : suppressPrefixLength,
    goto: attributes.goto,
    protocol,
  };
}
