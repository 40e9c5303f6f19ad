import { ERRNO } from '../errno.ts';
import type { HelperFunction, HelperTable } from '../helper.ts';
import { packetOf } from './packet.ts';

/** Verdicts (`TC_ACT_*` and `XDP_*` in `include/uapi/linux`). */
export const VERDICT = { TC_ACT_SHOT: 2, TC_ACT_REDIRECT: 7, XDP_ABORTED: 0, XDP_REDIRECT: 4 } as const;

/** `BPF_F_INGRESS`. */
const INGRESS = 1;

/** Size of `struct bpf_redir_neigh` and of `struct bpf_tunnel_key`. */
const REDIR_NEIGH_SIZE = 20;
const TUNNEL_KEY_SIZE = 44;

const redirect: HelperFunction = (machine) => {
  const { run } = machine;
  const [ifindex, flags] = [machine.u32(1), machine.u32(2)];
  const wrong = machine.high(2) !== 0 || (flags & ~(run.kind === 'xdp' ? 0 : INGRESS)) !== 0;
  if (wrong) return run.kind === 'xdp' ? VERDICT.XDP_ABORTED : VERDICT.TC_ACT_SHOT;
  run.redirect = { kind: 'redirect', ifindex, flags };
  return run.kind === 'xdp' ? VERDICT.XDP_REDIRECT : VERDICT.TC_ACT_REDIRECT;
};

const redirectPeer: HelperFunction = (machine) => {
  if (!machine.isNull(2)) return VERDICT.TC_ACT_SHOT;
  machine.run.redirect = { kind: 'redirect_peer', ifindex: machine.u32(1), flags: 0 };
  return VERDICT.TC_ACT_REDIRECT;
};

const redirectNeigh: HelperFunction = (machine) => {
  const size = machine.u32(3);
  const nextHop = size === 0 ? undefined : machine.bytes(2, size).slice();
  if ((size > 0 && size < REDIR_NEIGH_SIZE) || !machine.isNull(4)) return VERDICT.TC_ACT_SHOT;
  const ifindex = machine.u32(1);
  machine.run.redirect = { kind: 'redirect_neigh', ifindex, flags: 0, ...(nextHop === undefined ? {} : { nextHop }) };
  return VERDICT.TC_ACT_REDIRECT;
};

const cloneRedirect: HelperFunction = (machine) => {
  const packet = packetOf(machine);
  const [ifindex, flags] = [machine.u32(2), machine.u32(3)];
  if (machine.high(3) !== 0 || (flags & ~INGRESS) !== 0) return -ERRNO.EINVAL;
  machine.run.clones.push({ ifindex, flags, packet: packet.snapshot() });
  packet.changed();
  return 0;
};

const setTunnelKey: HelperFunction = (machine) => {
  const size = machine.u32(3);
  const key = machine.bytes(2, size).slice();
  if (size > TUNNEL_KEY_SIZE) return -ERRNO.EINVAL;
  const whole = new Uint8Array(TUNNEL_KEY_SIZE);
  whole.set(key);
  machine.run.tunnelKey = whole;
  return 0;
};

const getTunnelKey: HelperFunction = (machine) => {
  const to = machine.bytes(2, machine.u32(3), 'write');
  const key = machine.run.tunnelKey;
  to.fill(0);
  if (key === undefined || to.length > TUNNEL_KEY_SIZE) return -ERRNO.EINVAL;
  to.set(key.subarray(0, to.length));
  return 0;
};

/** Helpers that send packets elsewhere, and what tunnels are told. */
export const REDIRECT_HELPERS: HelperTable = {
  redirect,
  redirect_peer: redirectPeer,
  redirect_neigh: redirectNeigh,
  clone_redirect: cloneRedirect,
  skb_set_tunnel_key: setTunnelKey,
  skb_get_tunnel_key: getTunnelKey,
};
