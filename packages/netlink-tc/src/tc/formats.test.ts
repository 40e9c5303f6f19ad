import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { message, mutated, payloads } from '../../test/arbitrary.ts';
import { isNetlinkTcError, type NetlinkTcErrorCode } from '../error.ts';
import {
  NetlinkSocket,
  readMessage,
  walkMessages,
  writeMessage,
  type AttributeKind,
  type Message,
  type MessageFormat,
  type Policy,
  type RawMessage,
} from '../netlink/index.ts';
import { EXTENDED_ACK } from '../netlink/ack.ts';
import { MessageWriter } from '../netlink/writer.ts';
import {
  ADDRESS,
  LINK,
  listAddresses,
  listLinks,
  listNeighbours,
  listRoutes,
  listRules,
  NEIGHBOUR,
  NETNS_ID,
  ROUTE,
  RULE,
} from '../rtnl/index.ts';
import { openSys, type Sys } from '../sys/index.ts';
import { FILTER, QDISC } from './format.ts';
import { listQdiscs } from './qdisc.ts';

const FORMATS = [LINK, ADDRESS, ROUTE, RULE, NEIGHBOUR, NETNS_ID, QDISC, FILTER] as unknown as MessageFormat[];

function orRefused<T>(code: NetlinkTcErrorCode, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isNetlinkTcError(error, code)) return undefined;
    throw error;
  }
}

function read(format: MessageFormat, datagram: Uint8Array): Message[] | undefined {
  return orRefused('ERR_PROTOCOL', () =>
    [...walkMessages(datagram)].map((raw: RawMessage) => readMessage(format, raw)),
  );
}

/** What was read, written and read again. */
function again(format: MessageFormat, { type, flags, header, attributes }: Message): Message | undefined {
  const writer = new MessageWriter();
  return orRefused('ERR_INVALID_ARGUMENT', () => {
    writeMessage(writer, { format, type, flags, header, attributes }, { sequence: 1, port: 1 });
    return read(format, writer.bytes)?.[0];
  });
}

describe.each(FORMATS.map((format) => [format.noun, format] as const))('messages about a %s', (_noun, format) => {
  test('that follow the table are read or refused; what is read and can be written comes back', () => {
    fc.assert(
      fc.property(payloads(format), (payload) => {
        for (const each of read(format, message(16, payload)) ?? []) {
          const copy = again(format, each);
          expect(copy ?? each).toEqual(each);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('of any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), (payload) => {
        expect(() => read(format, message(16, payload))).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });
});

describe.runIf(process.platform === 'linux')('real messages', () => {
  const lists = [
    [LINK, listLinks()],
    [ADDRESS, listAddresses()],
    [ROUTE, listRoutes()],
    [RULE, listRules()],
    [NEIGHBOUR, listNeighbours()],
    [QDISC, listQdiscs()],
  ] as unknown as [MessageFormat, ReturnType<typeof listLinks>][];

  test.each(lists.map(([format, request]) => [format.noun, format, request] as const))(
    'about a %s come back the same, and mutated ones do no harm',
    async (_noun, format, request) => {
      const datagrams: Uint8Array[] = [];
      const sys = await openSys();
      // Datagrams are looked at before they are taken: the first call of each pair has the bytes.
      const listening: Sys = {
        ...sys,
        call(name, ...args) {
          const result = sys.call(name, ...args);
          if (name === 'recvfrom' && result > 0 && Number(args[3]) & 2)
            datagrams.push((args[1] as Uint8Array).slice(0, result));
          return result;
        },
      };
      using socket = NetlinkSocket.open(listening);
      await socket.request(request);
      const types = new Set(Object.values(format.types));
      const raws = datagrams
        .flatMap((datagram) => [...walkMessages(datagram)])
        .filter(({ header }) => types.has(header.type));
      for (const raw of raws) {
        const known = readMessage(format, raw);
        expect(again(format, known)).toEqual(known);
      }
      const samples = raws.slice(0, 3).map(({ header, payload }) => message(header.type, payload));
      for (const sample of samples) {
        fc.assert(
          fc.property(mutated(sample), (bytes) => {
            for (const each of read(format, bytes) ?? []) again(format, each);
          }),
          { numRuns: 300 },
        );
      }
      expect(datagrams.length).toBeGreaterThan(0);
    },
  );
});

const HEADERS = [
  'if_link',
  'if_addr',
  'rtnetlink',
  'fib_rules',
  'neighbour',
  'net_namespace',
  'pkt_cls',
  'pkt_sched',
  'netlink',
  'veth',
  'tc_act/tc_mirred',
  'tc_act/tc_gact',
  'if_bridge',
];

/** The numbers of a kernel header's enumerations, by their names. */
function enumerations(header: string): Map<string, number> {
  const text = readFileSync(`/usr/include/linux/${header}.h`, 'utf8')
    .replace(/\/\*[^]*?\*\//g, '')
    .replace(/^\s*#.*$/gm, '');
  const values = new Map<string, number>();
  for (const [, body = ''] of text.matchAll(/enum[^{;]*\{([^}]*)\}/g)) {
    let next = 0;
    for (const item of body
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean)) {
      const [name = '', given] = item.split('=').map((each) => each.trim());
      if (given !== undefined) next = values.get(given) ?? Number(given);
      values.set(name, next);
      next += 1;
    }
  }
  return values;
}

/** Every table that may lie in a payload. */
function tablesOf({ variants, element, table }: AttributeKind): Policy[] {
  const own = table?.({});
  const further = [...Object.values(variants?.kinds ?? {}), ...(element === undefined ? [] : [element])];
  return [...(own === undefined ? [] : [own]), ...further.flatMap(tablesOf)];
}

test.skipIf(!existsSync('/usr/include/linux/if_link.h'))(
  'the numbers of the tables are those of the kernel headers',
  () => {
    const known = new Map(HEADERS.flatMap((header) => Array.from(enumerations(header))));
    const wrong: string[] = [];
    let right = 0;
    const seen = new Set<unknown>();
    const visit = (table: Policy): void => {
      if (seen.has(table)) return;
      seen.add(table);
      for (const { attribute } of table.byType.values()) {
        const number = known.get(attribute.name);
        if (number === attribute.type) right += 1;
        else if (number !== undefined) wrong.push(`${attribute.name} is ${number}, not ${attribute.type}`);
        for (const inner of tablesOf(attribute.kind)) visit(inner);
      }
    };
    for (const { policy } of FORMATS) visit(policy);
    visit(EXTENDED_ACK as Policy);
    for (const { types } of FORMATS) {
      for (const [name, value] of Object.entries(types))
        if (known.has(name) && known.get(name) !== value) wrong.push(name);
    }
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(120);
  },
);
