/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of pieces/tproxy.ts. -DDUAL: IPv6 too. */
#include "common.h"

INLINE int give(struct __sk_buff *skb, void *connection, void *listener, __u32 size) {
  skb->mark = 0x400;
  struct bpf_sock *sk = skc_lookup_tcp(skb, connection, size, BPF_F_CURRENT_NETNS, 0);
  if (!sk) {
    sk = skc_lookup_tcp(skb, listener, size, BPF_F_CURRENT_NETNS, 0);
    if (!sk) return TC_ACT_SHOT;
  }
  long failed = sk_assign(skb, sk, 0);
  sk_release(sk);
  return failed ? TC_ACT_SHOT : TC_ACT_OK;
}

struct tuple4 {
  __u32 source, destination;
  __u16 source_port, destination_port;
};
struct tuple6 {
  __u32 source[4], destination[4];
  __u16 source_port, destination_port;
};

SEC("tc") int tproxy(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethernet *eth = DATA(skb);
  if ((void *)(eth + 1) > end) return NEXT;
  if (eth->type == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->protocol != IPPROTO_TCP) return NEXT;
    struct ports *ports = (void *)ip + ip->ihl * 4;
    if ((void *)(ports + 1) > end) return TC_ACT_SHOT;
    struct tuple4 connection = {ip->saddr, ip->daddr, ports->source, ports->destination};
    struct tuple4 listener = {0, 0, 0, be16(15001)};
    return give(skb, &connection, &listener, sizeof(connection));
  }
#ifdef DUAL
  if (eth->type == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    struct transport transport;
    if ((void *)(ip + 1) > end) return NEXT;
    if (walk(ip, end, &transport)) return NEXT;
    if (transport.protocol != IPPROTO_TCP) return NEXT;
    struct ports *ports = transport.header;
    if ((void *)(ports + 1) > end) return TC_ACT_SHOT;
    struct tuple6 connection, listener = {.destination_port = be16(15001)};
    __builtin_memcpy(connection.source, &ip->saddr, 32);
    connection.source_port = ports->source;
    connection.destination_port = ports->destination;
    return give(skb, &connection, &listener, sizeof(connection));
  }
#endif
  return NEXT;
}
