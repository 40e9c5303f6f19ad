/* SPDX-License-Identifier: Apache-2.0 */
/* What the C twins share. Written for the comparison with the language's test pieces; only bench/ compiles it. */
#pragma once
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define UINT(name, value) int(*name)[value]
#define TYPE(name, value) value *name

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*redirect)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*redirect_peer)(__u32 ifindex, __u64 flags) = (void *)BPF_FUNC_redirect_peer;
static long (*get_tunnel_key)(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags) = (void *)BPF_FUNC_skb_get_tunnel_key;
static void *(*ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)BPF_FUNC_ringbuf_reserve;
static void (*ringbuf_submit)(void *record, __u64 flags) = (void *)BPF_FUNC_ringbuf_submit;
static struct bpf_sock *(*skc_lookup_tcp)(void *ctx, struct bpf_sock_tuple *tuple, __u32 size, __u64 netns, __u64 flags) = (void *)BPF_FUNC_skc_lookup_tcp;
static long (*sk_assign)(void *ctx, void *sk, __u64 flags) = (void *)BPF_FUNC_sk_assign;
static long (*sk_release)(void *sk) = (void *)BPF_FUNC_sk_release;

/* Facts of the node: what the engine knows when it makes the programs. */
#define PROXY_IFINDEX 7
#define PROXY_MAC_HIGH 0x0102 /* first two bytes of 02:01:06:05:04:03 as they lie in memory, little endian */
#define PROXY_MAC_LOW 0x03040506
#define POD_ADDRESS 0x0a280005u  /* 10.40.0.5 */
#define HOST_ADDRESS 0x0a280001u /* 10.40.0.1 */
#define POD_ADDRESS6 {0xfd000040, 0, 0, 5}
#define HOST_ADDRESS6 {0xfd000040, 0, 0, 1}
#define DNS_PORT 53

#define NEXT TC_ACT_UNSPEC

/* The facts again, where a program that was compiled once must look them up. */
struct node {
  __u32 proxy_ifindex;
  __u32 pod_address;
  __u32 host_address;
  __u32 dns_capture;
  __u32 pod_address6[4];
  __u32 host_address6[4];
  __u32 proxy_mac_low;
  __u16 proxy_mac_high;
  __u16 padding;
};

#ifdef LOOKUP
struct {
  UINT(type, BPF_MAP_TYPE_ARRAY);
  UINT(max_entries, 1);
  TYPE(key, __u32);
  TYPE(value, struct node);
} node_facts SEC(".maps");
#define FACTS                                         \
  __u32 zero = 0;                                     \
  struct node *node = map_lookup(&node_facts, &zero); \
  if (!node) return NEXT;
#define FACT(field, constant) (node->field)
#else
#define FACTS
#define FACT(field, constant) (constant)
#endif

/* Counters of verdicts, per CPU. */
enum verdict { CAPTURED, SPOOFED, PROBE, FROM_PROXY, NO_POD, VERDICTS };
struct counter {
  __u64 packets;
  __u64 bytes;
};
struct {
  UINT(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  UINT(max_entries, VERDICTS);
  TYPE(key, __u32);
  TYPE(value, struct counter);
} counters SEC(".maps");

INLINE void count(struct __sk_buff *skb, __u32 verdict) {
  struct counter *counter = map_lookup(&counters, &verdict);
  if (!counter) return;
  counter->packets += 1;
  counter->bytes += skb->len;
}

#define DATA(ctx) ((void *)(long)(ctx)->data)
#define DATA_END(ctx) ((void *)(long)(ctx)->data_end)

INLINE int same6(const void *address, const __u32 *words) {
  const __u32 *a = address;
  return a[0] == be32(words[0]) && a[1] == be32(words[1]) && a[2] == be32(words[2]) && a[3] == be32(words[3]);
}

char LICENSE[] SEC("license") = "Apache-2.0";
