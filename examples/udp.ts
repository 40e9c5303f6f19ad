import { struct, u16, be16, bytes } from 'bpf-asm';
import type { Netns, Sys } from 'netlink-tc';
import { createSocket, type Socket } from 'node:dgram';
import { promisify } from 'node:util';

const SOCK_DGRAM = 2;
const FAMILIES = {
  udp4: { family: 2, address: struct('sockaddr_in', { family: u16, port: be16, any: bytes(12) }) },
  udp6: { family: 10, address: struct('sockaddr_in6', { family: u16, port: be16, any: bytes(24) }) },
} as const;

/**
 * A UDP socket of another network namespace, for the examples: made there in one synchronous moment, used from here for good. With
 * `udp6` it takes IPv4 too.
 * @param port 0 lets the kernel choose
 */
export function udpSocket(sys: Sys, netns: Netns, type: 'udp4' | 'udp6', port = 0): Socket {
  const { family, address } = FAMILIES[type];
  const name = address.encode({ family, port, any: new Uint8Array(address.size - 4) });
  const fd = netns.run(() => {
    const made = sys.call('socket', family, SOCK_DGRAM, 0);
    const bound = sys.call('bind', made, name, name.length);
    if (bound < 0) throw new Error(`no UDP socket at port ${port}: errno ${-bound}`);
    return made;
  });
  return createSocket(type).bind({ fd });
}

/** Sends a datagram, and waits until the kernel has it. */
export async function send(socket: Socket, data: Uint8Array | string, port: number, address: string): Promise<void> {
  await promisify<Uint8Array | string, number, string>(socket.send.bind(socket))(data, port, address);
}
