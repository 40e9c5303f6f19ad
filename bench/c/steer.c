/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of pieces/steer.ts. -DDUAL: IPv6 and DNS too. */
#include "pods.h"

enum { OUTBOUND, HBONE, INBOUND, DNS_SLOT };
struct {
  UINT(type, BPF_MAP_TYPE_SOCKMAP);
  UINT(max_entries, 4);
  TYPE(key, __u32);
  TYPE(value, __u32);
} listeners SEC(".maps");

INLINE int refuse(void) {
  count(NO_LISTENER);
  return SK_DROP;
}

SEC("sk_lookup") int steer(struct bpf_sk_lookup *ctx) {
  __u32 slot;
  struct pod *pod;
  if (ctx->ingress_ifindex != 2) return SK_PASS;
#ifndef DUAL
  if (ctx->family != 2) return SK_PASS;
#endif
  if (ctx->protocol == IPPROTO_TCP) {
    slot = ctx->local_port == 15008 ? HBONE : INBOUND;
#ifdef DUAL
    struct address key;
    if (ctx->family == 2) {
      mapped(&key, ctx->remote_ip4);
    } else {
      /* The verifier takes context reads of 4 bytes at a constant offset; clang would merge them. */
      const volatile __u32 *remote = ctx->remote_ip6;
      key.words[0] = remote[0];
      key.words[1] = remote[1];
      key.words[2] = remote[2];
      key.words[3] = remote[3];
    }
    pod = map_lookup(&pods, &key);
#else
    __u32 key = ctx->remote_ip4;
    pod = map_lookup(&pods4, &key);
#endif
    if (pod && pod->classify) slot = OUTBOUND;
#ifdef DUAL
  } else if (ctx->protocol == IPPROTO_UDP) {
    if (ctx->local_port != 53) return SK_PASS;
    slot = DNS_SLOT;
#endif
  } else {
    return SK_PASS;
  }
  struct bpf_sock *sk = map_lookup(&listeners, &slot);
  if (!sk) return refuse();
  long failed = sk_assign(ctx, sk, 0);
  sk_release(sk);
  return failed ? refuse() : SK_PASS;
}
