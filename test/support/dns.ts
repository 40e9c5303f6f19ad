/** A real DNS server in a lab, and queries to it. Needs `tool('dnsmasq')`. */
import { once } from 'node:events';
import { familyOf, type Family } from 'netlink-tc';
import type { LabHost } from './lab-host.ts';
import type { LabProcess } from './lab-process.ts';
import { connectQuietly, within } from './traffic.ts';

/** The name that the server knows, and its addresses. */
const KNOWN = { name: 'shop.mesh.test', ipv4: '192.0.2.7', ipv6: '2001:db8::7' } as const;

const PORT = 53;
const PATIENCE_MS = 2_000;
/** Types of resource records (RFC 1035 section 3.2.2, RFC 3596). */
const TYPE = { ipv4: 1, ipv6: 28 } as const;
const HEADER = 12;

/** Starts dnsmasq, which knows {@link KNOWN}, and waits until it serves. It prints each query. */
export async function startDnsServer(host: LabHost): Promise<LabProcess> {
  const options =
    '--keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --no-resolv --no-hosts --log-queries';
  const addresses = [KNOWN.ipv4, KNOWN.ipv6].map((address) => `--address=/${KNOWN.name}/${address}`);
  const started = host.spawn(['dnsmasq', ...options.split(' '), '--log-facility=-', ...addresses]);
  await started.until('serves', () => started.output.includes('started'));
  return started;
}

/** Who has asked so far, as the server saw them. */
export function askers(server: LabProcess): string[] {
  return [...server.output.matchAll(/query\[A+\] \S+ from (\S+)/g)].map(([, from = '']) => from);
}

function encodeQuery(id: number, type: number): Uint8Array {
  const labels = KNOWN.name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  // Recursion desired, one question, of the class of the internet.
  const header = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

/** The address in the one record of an answer, as bytes in hexadecimal. */
function decodeAnswer(id: number, query: Uint8Array, answer: Buffer, family: Family): string {
  if (answer.readUInt16BE(0) !== id) throw new Error('an answer to another query');
  const code = answer.readUInt8(3) & 0xf;
  const records = answer.readUInt16BE(6);
  if (code !== 0 || records !== 1) throw new Error(`the answer has code ${code} and ${records} records`);
  // The question is repeated; then: a pointer to the name, type, class, time to live, length, address.
  const record = answer.subarray(query.length);
  if (record.readUInt16BE(2) !== TYPE[family]) throw new Error(`a record of type ${record.readUInt16BE(2)}`);
  return record.subarray(HEADER, HEADER + record.readUInt16BE(10)).toString('hex');
}

/** What {@link ask} gets for {@link KNOWN}. */
export const ANSWER: Readonly<Record<Family, string>> = {
  ipv4: 'c0000207',
  ipv6: '20010db8000000000000000000000007',
};

/** Asks a server for the address of {@link KNOWN}, of the family of the server's own, from a connected socket: no other can answer. */
export async function ask(from: LabHost, server: string, protocol: 'udp' | 'tcp'): Promise<string> {
  const family = familyOf(server);
  const id = 1 + Math.floor(Math.random() * 0xfffe);
  const query = encodeQuery(id, TYPE[family]);
  const what = `an answer from ${server} by ${protocol}`;
  if (protocol === 'udp') {
    const socket = from.udp(from.address(family));
    try {
      socket.connect(PORT, server);
      await once(socket, 'connect');
      const answer = once(socket, 'message') as Promise<[Buffer]>;
      socket.send(query);
      return decodeAnswer(id, query, (await within(PATIENCE_MS, what, answer))[0], family);
    } finally {
      socket.close();
    }
  }
  const socket = connectQuietly(from, { address: server, port: PORT });
  try {
    const answer = once(socket, 'data') as Promise<[Buffer]>;
    socket.write(Buffer.concat([Buffer.from([0, query.length]), query]));
    const [bytes] = await within(PATIENCE_MS, what, answer);
    return decodeAnswer(id, query, bytes.subarray(2), family);
  } finally {
    socket.destroy();
  }
}
