import type { Context } from './contexts/index.ts';
import type { VmMap } from './maps/index.ts';
import type { PacketBuffer } from './packet.ts';
import type { Region } from './region.ts';
import type { FindSocket, VmSocket } from './socket.ts';

/** The world that helpers show to programs. */
export interface Environment {
  /** Nanoseconds, for the `ktime_get` helpers. */
  readonly now: () => bigint;
  /** A number from 0 to 2^32 - 1. */
  readonly random: () => number;
  readonly cpu: number;
  readonly netnsCookie: bigint;
  readonly findSocket: FindSocket;
}

/** Where a packet was sent by a helper. */
export interface Redirect {
  /** Which helper: `redirect`, `redirect_peer` or `redirect_neigh`. */
  readonly kind: 'redirect' | 'redirect_peer' | 'redirect_neigh';
  readonly ifindex: number;
  readonly flags: number;
  /** `struct bpf_redir_neigh` where `redirect_neigh` was given one. */
  readonly nextHop?: Uint8Array;
}

/** A copy of the packet that `clone_redirect` sent. */
export interface Clone {
  readonly ifindex: number;
  readonly flags: number;
  readonly packet: Uint8Array;
}

/** A record that a program put out. */
export interface VmEvent {
  readonly map: VmMap;
  readonly data: Uint8Array;
}

/** One run: what it was given, and what its helpers did. */
export class Run {
  readonly environment: Environment;
  readonly kind: 'skb' | 'xdp' | 'socket' | 'memory';
  packet: PacketBuffer | undefined = undefined;
  context: Context | undefined = undefined;
  /** The socket that the context shows, or that `sk_assign` chose. */
  socket: VmSocket | undefined = undefined;
  assigned = false;
  redirect: Redirect | undefined = undefined;
  readonly clones: Clone[] = [];
  readonly events: VmEvent[] = [];
  /** Lines of `trace_printk`. */
  readonly log: string[] = [];
  tunnelKey: Uint8Array | undefined = undefined;
  /** References that have to be given back: sockets that were looked up, reserved records. */
  readonly held: Region[] = [];

  constructor(kind: Run['kind'], environment: Environment) {
    this.kind = kind;
    this.environment = environment;
  }
}
