import { describe, expect, it } from 'vitest';
import {
  add64, call, exit, jeq, label, ldxb, ldxw, lddw, link, mov64, stb, stdw, stw, type Item, type ProgramType,
} from '../../asm/index.ts'; // prettier-ignore
import { helperByName } from '../../helpers/index.ts';
import { ERRNO } from '../errno.ts';
import { Vm, VmSocket, type SocketQuery, type VmInput, type VmOptions, type VmResult } from '../index.ts';

const helper = (name: string): Item => call(helperByName(name)?.id ?? -1);
const run = (items: Item[], input: VmInput, type: ProgramType = 'sched_cls', options: VmOptions = {}): VmResult =>
  new Vm(link(items).instructions, { ...options, type }).run(input);
const signed = ({ r0 }: VmResult): number => Number(BigInt.asIntN(64, r0));
const packet = Uint8Array.from({ length: 20 }, (_, index) => index);

describe('redirection', () => {
  it.each<[string, Item[], object]>([
    ['redirect', [mov64('r1', 5), mov64('r2', 1)], { kind: 'redirect', ifindex: 5, flags: 1 }],
    ['redirect_peer', [mov64('r1', 6), mov64('r2', 0)], { kind: 'redirect_peer', ifindex: 6, flags: 0 }],
    [
      'redirect_neigh',
      [mov64('r1', 7), mov64('r2', 0), mov64('r3', 0), mov64('r4', 0)],
      { kind: 'redirect_neigh', ifindex: 7, flags: 0 },
    ],
  ])('%s counts where its verdict is returned', (name, items, redirect) => {
    expect(run([...items, helper(name), exit()], { packet })).toMatchObject({ verdict: 7, redirect });
    expect(run([...items, helper(name), mov64('r0', -1), exit()], { packet })).toMatchObject({
      verdict: -1,
      redirect: undefined,
    });
  });

  it('drops on flags that the kernel does not know', () => {
    expect(run([mov64('r1', 5), mov64('r2', 2), helper('redirect'), exit()], { packet })).toMatchObject({
      verdict: 2,
      redirect: undefined,
    });
    expect(run([mov64('r1', 5), mov64('r2', 1), helper('redirect_peer'), exit()], { packet }).verdict).toBe(2);
    expect(run([mov64('r1', 5), mov64('r2', 1), helper('redirect'), exit()], { packet }, 'xdp').verdict).toBe(0);
    expect(run([mov64('r1', 5), mov64('r2', 0), helper('redirect'), exit()], { packet }, 'xdp')).toMatchObject({
      verdict: 4,
      redirect: { ifindex: 5 },
    });
  });

  it('clone_redirect keeps the packet as it was then', () => {
    const write = (value: number): Item[] => [ldxw('r2', 'r6', 76), stb('r2', 0, value)];
    const result = run(
      [
        mov64('r6', 'r1'),
        ...write(1),
        mov64('r1', 'r6'),
        mov64('r2', 9),
        mov64('r3', 1),
        helper('clone_redirect'),
        ...write(2),
        mov64('r0', -1),
        exit(),
      ],
      { packet },
    );
    expect(result.clones).toEqual([{ ifindex: 9, flags: 1, packet: Uint8Array.from([1, ...packet.subarray(1)]) }]);
    expect(result.packet?.[0]).toBe(2);
  });

  it('keeps the tunnel key', () => {
    const at = [mov64('r2', 'r10'), add64('r2', -28), mov64('r3', 28), mov64('r4', 0)];
    const zero = [-8, -16, -24, -32].map((offset) => stdw('r10', offset, 0));
    const set = run([...zero, stw('r10', -28, 77), ...at, helper('skb_set_tunnel_key'), exit()], { packet });
    expect(set.tunnelKey?.subarray(0, 4)).toEqual(Uint8Array.of(77, 0, 0, 0));
    const get = [...at, helper('skb_get_tunnel_key'), ldxw('r0', 'r10', -28), exit()];
    expect(run(get, { packet, tunnelKey: set.tunnelKey ?? new Uint8Array() }).r0).toBe(77n);
    expect(signed(run([...at, helper('skb_get_tunnel_key'), exit()], { packet }))).toBe(-ERRNO.EINVAL);
  });
});

describe('sockets', () => {
  const listener = new VmSocket(
    'listener',
    { family: 2, protocol: 6, state: 10, src_port: 15006 },
    { cookie: (1n << 40n) + 1n },
  );
  /** The tuple 10.0.0.1:80 to 10.0.0.2:443 at the top of the stack. */
  const tuple: Item[] = [stw('r10', -12, 0x0100_000a), stw('r10', -8, 0x0200_000a), stw('r10', -4, 0xbb01_5000 | 0)];
  const lookUp: Item[] = [
    mov64('r6', 'r1'),
    ...tuple,
    mov64('r2', 'r10'),
    add64('r2', -12),
    mov64('r3', 12),
    lddw('r4', (1n << 64n) - 1n),
    mov64('r5', 0),
    helper('skc_lookup_tcp'),
    mov64('r7', 'r0'),
    jeq('r0', 0, 'none'),
  ];
  const release: Item[] = [mov64('r1', 'r7'), helper('sk_release')];

  it('are looked up, assigned and released', () => {
    const seen: SocketQuery[] = [];
    const findSocket = (query: SocketQuery): VmSocket => (seen.push(query), listener);
    const items = [
      ...lookUp,
      mov64('r1', 'r6'),
      mov64('r2', 'r7'),
      mov64('r3', 0),
      helper('sk_assign'),
      ...release,
      ldxb('r0', 'r6', 0),
      label('none'),
      exit(),
    ];
    expect(run(items, { packet }, 'sched_cls', { findSocket })).toMatchObject({ r0: 20n, assignedSocket: listener });
    expect(seen).toEqual([{ helper: 'skc_lookup_tcp', family: 4, source: Uint8Array.of(10, 0, 0, 1), destination: Uint8Array.of(10, 0, 0, 2), sourcePort: 80, destinationPort: 443, netns: -1n }]); // prettier-ignore
    expect(run(items, { packet })).toMatchObject({ r0: 0n, assignedSocket: undefined });
  });

  it('have to be released, once, and are gone then', () => {
    const findSocket = (): VmSocket => listener;
    const options = { findSocket };
    expect(() => run([...lookUp, label('none'), exit()], { packet }, 'sched_cls', options)).toThrow(
      'it ends and holds socket listener',
    );
    expect(() =>
      run([...lookUp, ...release, ...release, label('none'), exit()], { packet }, 'sched_cls', options),
    ).toThrow('r1 is no socket');
    expect(() =>
      run([...lookUp, ...release, ldxw('r0', 'r7', 72), label('none'), exit()], { packet }, 'sched_cls', options),
    ).toThrow('a socket that was released');
  });

  it('are chosen by sk_lookup, of the right kind and once', () => {
    const choose = (flags: number): Item[] => [
      mov64('r1', 'r6'),
      mov64('r2', 'r7'),
      mov64('r3', flags),
      helper('sk_assign'),
      mov64('r8', 'r0'),
    ];
    const items = (...assign: Item[]): Item[] => [
      ...lookUp,
      ...assign,
      ...release,
      mov64('r0', 'r8'),
      label('none'),
      exit(),
    ];
    const steer = (socket: VmSocket, ...assign: Item[]): VmResult =>
      run(items(...assign), { context: { family: 2, protocol: 6 } }, 'sk_lookup', { findSocket: () => socket });
    expect(steer(listener, ...choose(0))).toMatchObject({ r0: 0n, assignedSocket: listener });
    expect(signed(steer(listener, ...choose(0), ...choose(0)))).toBe(-ERRNO.EEXIST);
    expect(signed(steer(listener, ...choose(0), ...choose(1)))).toBe(0);
    expect(signed(steer(listener, ...choose(4)))).toBe(-ERRNO.EINVAL);
    expect(signed(steer(new VmSocket('udp', { family: 2, protocol: 17 }), ...choose(2)))).toBe(-ERRNO.EPROTOTYPE);
    expect(signed(steer(new VmSocket('unix', { family: 1, protocol: 6 }), ...choose(0)))).toBe(-ERRNO.EAFNOSUPPORT);
  });

  it('have cookies, and so has the namespace', () => {
    expect(run([helper('get_socket_cookie'), exit()], { packet, socket: listener }).r0).toBe((1n << 40n) + 1n);
    expect(run([helper('get_socket_cookie'), exit()], { packet }).r0).toBe(0n);
    expect(run([helper('get_netns_cookie'), exit()], { packet }, 'sched_cls', { netnsCookie: 99n }).r0).toBe(99n);
  });

  it('traps on what is no context or no socket', () => {
    expect(() => run([mov64('r1', 0), ...lookUp.slice(1), label('none'), exit()], { packet })).toThrow(
      'r1 is not the context',
    );
    expect(() => run([mov64('r2', 'r10'), mov64('r3', 0), helper('sk_assign'), exit()], { packet })).toThrow(
      'r2 is no socket',
    );
  });
});
