import { constants } from 'node:os';
import { struct, u32 as layoutU32 } from 'bpf-asm/layout';
import { expect, onTestFinished, test, vi } from 'vitest';
import { message } from '../../test/arbitrary.ts';
import { createFakeSys, type FakeSys, type SysArg } from '../sys/index.ts';
import { LITTLE_ENDIAN, native } from './host.ts';
import { nest, text, u32 } from './kinds.ts';
import { NLM_F, NLMSG, type MessageFormat } from './message.ts';
import { policy, type Attributes, type Policy } from './policy.ts';
import { dumpRequest, nothing, request, type Request } from './request.ts';
import { NetlinkSocket, type NetlinkSocketOptions } from './socket.ts';

const { EAGAIN, EINVAL, ENOBUFS, EPERM } = constants.errno;
const PORT = 77;

interface Inner extends Attributes {
  readonly size?: number | undefined;
  readonly missing?: number | undefined;
}
interface Thing extends Attributes {
  readonly name?: string | undefined;
  readonly inner?: Inner | undefined;
}
const INNER: Policy<Inner> = policy<Inner>({ size: [1, 'IN_SIZE', u32], missing: [2, 'IN_MISSING', u32] });
const THING: MessageFormat<{ id: number }, Thing> = {
  noun: 'thing',
  header: native(struct('thing', { id: layoutU32 })),
  policy: policy<Thing>({ name: [1, 'NAME', text(15)], inner: [2, 'INNER', nest(INNER)] }),
  types: { NEW_THING: 64, GET_THING: 66 },
};
const add = (attributes: Thing = {}): Request<void> =>
  request({ what: 'add thing', format: THING, type: 64, attributes, answer: nothing });
const list: Request<number[]> = dumpRequest({
  what: 'list things',
  format: THING,
  type: 66,
  answer: (messages) => messages.map(({ header }) => header.id),
});

/** What the fake kernel saw of a message. */
interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
}
/** A datagram to receive, the port it comes from, or an error number. */
type Reply = Uint8Array | { readonly from: number; readonly bytes: Uint8Array } | number;

/** A socket whose kernel answers each message by `answer`; what is not answered at once is pushed later. */
function kernel(
  answer: (seen: Seen) => readonly Reply[],
  options: NetlinkSocketOptions = {},
): { socket: NetlinkSocket; sys: FakeSys; push: (...replies: Reply[]) => void; sends: () => number } {
  const queue: Reply[] = [];
  const sys = createFakeSys({
    answer: (name, args) => {
      if (name === 'socket') return 9;
      if (name === 'getsockname') new DataView((args[1] as Uint8Array).buffer).setUint32(4, PORT, LITTLE_ENDIAN);
      if (name === 'sendto') {
        const bytes = args[1] as Uint8Array;
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        for (let at = 0; at < bytes.length; at += (view.getUint32(at, LITTLE_ENDIAN) + 3) & ~3) {
          const [type, flags] = [view.getUint16(at + 4, LITTLE_ENDIAN), view.getUint16(at + 6, LITTLE_ENDIAN)];
          queue.push(...answer({ type, flags, sequence: view.getUint32(at + 8, LITTLE_ENDIAN) }));
        }
        return bytes.length;
      }
      return name === 'recvfrom' ? receive(queue, args) : 0;
    },
  });
  const socket = NetlinkSocket.open(sys, options);
  onTestFinished(() => {
    socket.close();
    expect(sys.fds.open()).toEqual([]);
  });
  const push = (...replies: Reply[]): void => {
    queue.push(...replies);
    sys.ready(9);
  };
  return { socket, sys, push, sends: () => sys.calls.filter(({ name }) => name === 'sendto').length };
}

function receive(queue: Reply[], args: readonly SysArg[]): number {
  const [, buffer, size, flags, address] = args as [number, Uint8Array, number, number, Uint8Array];
  const next = queue[0];
  if (next === undefined) return -EAGAIN;
  if (typeof next === 'number') return -(queue.shift() as number);
  const { from, bytes } = next instanceof Uint8Array ? { from: 0, bytes: next } : next;
  new DataView(address.buffer).setUint32(4, from, LITTLE_ENDIAN);
  buffer.set(bytes.subarray(0, size));
  if ((flags & 2) === 0) queue.shift();
  return bytes.length;
}

function word(value: number): number[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return [...bytes];
}
const attr = (type: number, ...data: number[]): number[] => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint16(0, 4 + data.length, LITTLE_ENDIAN);
  new DataView(bytes.buffer).setUint16(2, type, LITTLE_ENDIAN);
  return [...bytes, ...data, ...new Array<number>((4 - (data.length % 4)) % 4).fill(0)];
};
const letters = (words: string): number[] => [...new TextEncoder().encode(`${words}\0`)];

/** An acknowledgement that leaves the request out. */
function ack(sequence: number, result = 0, tlvs: readonly number[] = []): Uint8Array {
  const flags = NLM_F.CAPPED | (tlvs.length > 0 ? NLM_F.ACK_TLVS : 0);
  const payload = Uint8Array.from([...word(result), ...new Array<number>(16).fill(0), ...tlvs]);
  return message(NLMSG.ERROR, payload, flags, sequence, PORT);
}
const thing = (sequence: number, id: number, flags = 0): Uint8Array =>
  message(64, Uint8Array.from(word(id)), NLM_F.MULTI | flags, sequence, PORT);
const done = (sequence: number, result = 0, flags = 0, tlvs: readonly number[] = []): Uint8Array =>
  message(NLMSG.DONE, Uint8Array.from([...word(result), ...tlvs]), NLM_F.MULTI | flags, sequence, PORT);

test('what is answered at once needs no turn of the event loop', async () => {
  const { socket, sys } = kernel(({ sequence }) => [ack(sequence)]);
  await socket.request(add());
  expect(sys.calls.map(({ name }) => name)).not.toContain('poll');
});

test('an error has errno, the words of the kernel, and the path of the attribute', async () => {
  const { socket } = kernel(({ sequence }) => [
    ack(sequence, -EINVAL, [...attr(1, ...letters('too small')), ...attr(2, ...word(32))]),
  ]);
  await expect(socket.request(add({ name: 'abc', inner: { size: 1 } }))).rejects.toMatchObject({
    code: 'ERR_SYSCALL',
    errno: EINVAL,
    syscall: 'netlink(NEW_THING)',
    kernelMessage: 'too small',
    attribute: 'INNER.IN_SIZE',
    message: 'cannot add thing: too small (INNER.IN_SIZE): EINVAL from netlink(NEW_THING)',
  });
});

test('an error names the attribute that is missing, and the nest it is missing from', async () => {
  const { socket } = kernel(({ sequence }) => [
    ack(sequence, -EINVAL, [...attr(5, ...word(2)), ...attr(6, ...word(28))]),
  ]);
  await expect(socket.request(add({ name: 'abc', inner: { size: 1 } }))).rejects.toMatchObject({
    attribute: 'INNER.IN_MISSING',
    hint: 'the request lacks this attribute',
  });
});

test('an error tells what the kernel would accept, and which capability is missing', async () => {
  const bounds = attr(0x8004, ...attr(4, ...word(68), ...word(0)), ...attr(5, ...word(1500), ...word(0)));
  const { socket } = kernel(({ sequence }) => [ack(sequence, -EINVAL, bounds)]);
  await expect(socket.request(add())).rejects.toThrow(/the kernel accepts 68 to 1500$/);
  const other = kernel(({ sequence }) => [ack(sequence, -EPERM)]);
  await expect(other.socket.request(add())).rejects.toMatchObject({
    code: 'ERR_PERMISSION',
    hint: expect.stringContaining('CAP_NET_ADMIN') as string,
  });
});

test('remarks on what the kernel did are told', async () => {
  const remarks: string[] = [];
  const { socket } = kernel(({ sequence }) => [ack(sequence, 0, attr(1, ...letters('deprecated')))], {
    onWarning: (remark, { what }) => remarks.push(`${what}: ${remark}`),
  });
  await socket.request(add());
  expect(remarks).toEqual(['add thing: deprecated']);
});

test('a batch is one send; each request has its own answer', async () => {
  let count = 0;
  const { socket, sends } = kernel(({ sequence }) => [ack(sequence, (count += 1) === 2 ? -EINVAL : 0)]);
  const results = await Promise.allSettled(socket.send([add(), add(), add()]));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(sends()).toBe(1);
  await expect(socket.batch([add(), add()])).resolves.toHaveLength(2);
});

test('a batch with one that cannot be encoded sends nothing', async () => {
  const { socket, sends } = kernel(({ sequence }) => [ack(sequence)]);
  await expect(socket.batch([add(), add({ name: 'x'.repeat(16) })])).rejects.toThrow(/NAME takes|NAME is/);
  await expect(socket.batch([add(), { ...list, attributes: { name: 5 } } as never])).rejects.toThrow(/NAME is 5/);
  expect(sends()).toBe(0);
});

test('nobody but the kernel is believed: not other senders, not other ports, not other sequences', async () => {
  const { socket } = kernel(({ sequence }) => [
    { from: 4242, bytes: ack(sequence, -EPERM) },
    message(
      NLMSG.ERROR,
      Uint8Array.from([...word(-EPERM), ...new Array<number>(16).fill(0)]),
      NLM_F.CAPPED,
      sequence,
      PORT + 1,
    ),
    ack(sequence + 1, -EPERM),
    ack(sequence),
  ]);
  await expect(socket.request(add())).resolves.toBeUndefined();
});

test('a dump in several datagrams, larger than the buffer', async () => {
  const { socket } = kernel(({ sequence }) => {
    const many = Buffer.concat(Array.from({ length: 3000 }, (_, id) => thing(sequence, id)));
    return [many, thing(sequence, 3000), done(sequence)];
  });
  await expect(socket.request(list)).resolves.toHaveLength(3001);
});

test('an error number in the final DONE is an error', async () => {
  const { socket } = kernel(({ sequence }) => [
    thing(sequence, 1),
    done(sequence, -EINVAL, NLM_F.ACK_TLVS, attr(1, ...letters('no'))),
  ]);
  await expect(socket.request(list)).rejects.toMatchObject({ errno: EINVAL, kernelMessage: 'no' });
});

test('dumps go one after the other, requests between them', async () => {
  const seen: Seen[] = [];
  const { socket, push } = kernel((each) => {
    seen.push(each);
    return each.type === 64 ? [ack(each.sequence)] : [];
  });
  const first = socket.request(list);
  const second = socket.request(list);
  await socket.request(add());
  expect(seen.map(({ type }) => type)).toEqual([66, 64]);
  push(done(seen[0]?.sequence ?? 0));
  await expect(first).resolves.toEqual([]);
  expect(seen.map(({ type }) => type)).toEqual([66, 64, 66]);
  socket.close();
  await expect(second).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(socket.request(list)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test('an interrupted dump is sent again, and only the last answer counts', async () => {
  let attempts = 0;
  const { socket } = kernel(({ sequence }) => {
    attempts += 1;
    return attempts < 3
      ? [thing(sequence, 9, NLM_F.DUMP_INTR), done(sequence)]
      : [thing(sequence, attempts), done(sequence)];
  });
  await expect(socket.request(list)).resolves.toEqual([3]);
});

test('a dump that is interrupted five times is given up, with what was read', async () => {
  let attempts = 0;
  const { socket } = kernel(({ sequence }) => {
    attempts += 1;
    return [thing(sequence, 9), done(sequence, 0, NLM_F.DUMP_INTR)];
  });
  await expect(socket.request(list)).rejects.toMatchObject({ code: 'ERR_DUMP_INTERRUPTED', partial: [9] });
  expect(attempts).toBe(5);
});

test('what is not answered in time, or aborted, fails; late answers are dropped', async () => {
  const seen: Seen[] = [];
  const { socket, push } = kernel((each) => (seen.push(each) < 3 ? [] : [ack(each.sequence)]), { timeoutMs: 20 });
  await expect(socket.request(add())).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  const controller = new AbortController();
  const aborted = socket.request(add(), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  await expect(socket.request(add(), { signal: controller.signal })).rejects.toThrow('enough');
  push(...seen.map(({ sequence }) => ack(sequence, -EPERM)));
  await expect(socket.request(add())).resolves.toBeUndefined();
});

test('a dump that was given up is read to its end before the next begins', async () => {
  const seen: Seen[] = [];
  const { socket, push } = kernel(
    (each) => (seen.push(each) === 1 ? [] : [thing(each.sequence, 2), done(each.sequence)]),
    { timeoutMs: 20 },
  );
  await expect(socket.request(list)).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  const next = socket.request(list, { timeoutMs: 1000 });
  expect(seen).toHaveLength(1);
  push(thing(seen[0]?.sequence ?? 0, 1), done(seen[0]?.sequence ?? 0));
  await expect(next).resolves.toEqual([2]);
});

test('lost answers fail all that wait', async () => {
  const { socket } = kernel(() => [ENOBUFS]);
  await expect(socket.request(add())).rejects.toMatchObject({
    code: 'ERR_NO_SPACE',
    hint: expect.stringContaining('receive buffer') as string,
  });
});

test('malformed answers fail what waits, and the socket goes on', async () => {
  let count = 0;
  const { socket } = kernel(({ sequence }) => {
    count += 1;
    if (count === 1) return [new Uint8Array(7)];
    if (count === 2) return [message(64, new Uint8Array(1), 0, sequence, PORT), ack(sequence)];
    if (count === 3) return [message(NLMSG.ERROR, new Uint8Array(2), 0, sequence, PORT)];
    if (count === 4) return [message(NLMSG.OVERRUN, new Uint8Array(0), 0, sequence, PORT)];
    return [ack(sequence)];
  });
  await expect(socket.request(add())).rejects.toMatchObject({ code: 'ERR_PROTOCOL' });
  await expect(socket.request(add())).rejects.toThrow(/too few for a thing/);
  await expect(socket.request(add())).rejects.toThrow(/acknowledgement of 2 bytes/);
  await expect(socket.request(add())).rejects.toThrow(/data were lost/);
  await expect(socket.request(add())).resolves.toBeUndefined();
});

test('messages are printed both ways for who asks', async () => {
  const lines: string[] = [];
  const { socket } = kernel(
    ({ sequence, type }) =>
      type === 64 ? [ack(sequence, -EINVAL, attr(1, ...letters('no')))] : [thing(sequence, 5), done(sequence)],
    { debug: (line) => lines.push(line.replace(/seq \d+/, 'seq N')) },
  );
  await socket.request({ ...list, attributes: { name: 'a' } } as typeof list);
  await expect(socket.request(add({ name: 'b' }))).rejects.toThrow('no');
  expect(lines).toEqual([
    '> GET_THING seq N flags REQUEST|DUMP {} {"name":"a"}',
    '< NEW_THING seq N flags MULTI {"id":5} {}',
    '< DONE seq N ok {}',
    '> NEW_THING seq N flags REQUEST|ACK {} {"name":"b"}',
    '< ACK seq N EINVAL {"message":"no"}',
  ]);
});

test('NETLINK_DEBUG=1 prints them to standard error, and nothing else does', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    write.mockRestore();
  });
  for (const value of ['', '0', '1']) {
    vi.stubEnv('NETLINK_DEBUG', value);
    const { socket } = kernel(({ sequence }) => [ack(sequence)]);
    await socket.request(add({ name: value }));
  }
  expect(write.mock.calls.map(([printed]) => String(printed).replace(/seq \d+/, 'seq N'))).toEqual([
    '> NEW_THING seq N flags REQUEST|ACK {} {"name":"1"}\n',
    '< ACK seq N ok {}\n',
  ]);
});
