/* SPDX-License-Identifier: Apache-2.0 */
/* What the C twins share. Written for the comparison with the language's test pieces; only bench/ compiles it. */
#pragma once
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)
#define NEXT TC_ACT_UNSPEC

#define UINT(name, value) int(*name)[value]
#define TYPE(name, value) value *name

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*redirect_peer)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect_peer;
static long (*get_tunnel_key)(struct __sk_buff *skb, void *key, __u32 size, __u64 flags) = (void *)BPF_FUNC_skb_get_tunnel_key;
static void *(*ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)BPF_FUNC_ringbuf_reserve;
static void (*ringbuf_submit)(void *record, __u64 flags) = (void *)BPF_FUNC_ringbuf_submit;
static struct bpf_sock *(*skc_lookup_tcp)(void *ctx, void *tuple, __u32 size, __u64 netns, __u64 flags) = (void *)BPF_FUNC_skc_lookup_tcp;
static long (*sk_assign)(void *ctx, void *sk, __u64 flags) = (void *)BPF_FUNC_sk_assign;
static long (*sk_release)(void *sk) = (void *)BPF_FUNC_sk_release;

/* Fields as they lie in the packet, with no promise of alignment: clang then reads them as wide as the language does. */
#define PACKED __attribute__((packed))
struct ethernet {
  __u8 destination[6];
  __u8 source[6];
  __u16 type;
};
struct ports {
  __u16 source;
  __u16 destination;
};

/* The facts of the node, where a program that is compiled once must look them up (-DLOOKUP). */
struct facts {
  __u32 proxy_ifindex;
  __u32 addresses4[2]; /* of the pod, or of the host; network order */
  __u32 addresses6[4];
  __u32 bypass4;
  __u32 bypass4_mask;
  __u32 bypass6;
  __u8 dns;
  __u8 proxy_mac[6];
  __u8 count;
};
#ifdef LOOKUP
struct {
  UINT(type, BPF_MAP_TYPE_ARRAY);
  UINT(max_entries, 1);
  TYPE(key, __u32);
  TYPE(value, struct facts);
} node SEC(".maps");
#define FACTS                                     \
  __u32 zero = 0;                                 \
  struct facts *facts = map_lookup(&node, &zero); \
  if (!facts) return NEXT;
#define FACT(field, constant) (facts->field)
#else
#define FACTS
#define FACT(field, constant) (constant)
#endif

/* Counters of verdicts, per CPU. */
enum verdict { CAPTURED, BYPASSED, SPOOFED, DELIVERED, NO_LISTENER };
struct {
  UINT(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  UINT(max_entries, 8);
  TYPE(key, __u32);
  TYPE(value, __u64);
} verdicts SEC(".maps");

INLINE void count(__u32 verdict) {
  __u64 *counter = map_lookup(&verdicts, &verdict);
  if (counter) *counter += 1;
}

#define DATA(ctx) ((void *)(long)(ctx)->data)
#define DATA_END(ctx) ((void *)(long)(ctx)->data_end)

INLINE int same6(const void *address, __u32 a, __u32 b, __u32 c, __u32 d) {
  const __u32 *words = address;
  return words[0] == a && words[1] == b && words[2] == c && words[3] == d;
}

/* What is behind the extension headers of an IPv6 packet. */
struct transport {
  void *header;
  __u8 protocol;
  __u8 has_ports;
};
struct extension {
  __u8 next;
  __u8 length;
  __u16 fragment;
  __u32 id;
};
INLINE int walk(struct ipv6hdr *ip, void *end, struct transport *found) {
  void *at = ip + 1;
  __u8 next = ip->nexthdr;
  found->has_ports = 1;
#pragma clang loop unroll(disable)
  for (int round = 0; round < 7; round++) {
    if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_FRAGMENT && next != IPPROTO_AH && next != IPPROTO_DSTOPTS) {
      found->header = at;
      found->protocol = next;
      return 0;
    }
    struct extension *extension = at;
    if ((void *)(extension + 1) > end) return -1;
    __u32 length = 8;
    if (next == IPPROTO_FRAGMENT) {
      if (extension->fragment & be16(0xfff8)) {
        found->header = at + 8;
        found->protocol = extension->next;
        found->has_ports = 0;
        return 0;
      }
    } else {
      length = next == IPPROTO_AH ? (extension->length + 2) * 4 : (extension->length + 1) * 8;
    }
    next = extension->next;
    at += length;
  }
  return -1;
}

/* Addresses of the pieces: 10.244.1.5 and fd00:1::5 are the pod's. */
#define POD4 be32(0x0af40105)
#define POD6 be32(0xfd000001), 0, 0, be32(5)

char LICENSE[] SEC("license") = "Apache-2.0";
