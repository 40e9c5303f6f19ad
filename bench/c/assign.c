/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a TCP packet to the connected socket, else to the listener that its direction asks for; drops it where there is neither. */
#include "common.h"

#define OUTBOUND_PORT 15001
#define INBOUND_PORT 15006
#define OUTBOUND_TAG 0x0602 /* first two bytes of the source MAC, as they lie in memory */
#define TCP_LISTEN 10

INLINE int assign(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 size, struct bpf_sock_tuple *wildcard, int outbound) {
  struct bpf_sock *sk = skc_lookup_tcp(skb, tuple, size, BPF_F_CURRENT_NETNS, 0);
  if (sk) {
    if (sk->state != TCP_LISTEN) goto found;
    sk_release(sk);
  }
  if (size == sizeof(tuple->ipv4)) wildcard->ipv4.dport = outbound ? be16(OUTBOUND_PORT) : be16(INBOUND_PORT);
  else wildcard->ipv6.dport = outbound ? be16(OUTBOUND_PORT) : be16(INBOUND_PORT);
  sk = skc_lookup_tcp(skb, wildcard, size, BPF_F_CURRENT_NETNS, 0);
  if (!sk) return TC_ACT_SHOT;
found:;
  long failed = sk_assign(skb, sk, 0);
  sk_release(sk);
  return failed ? TC_ACT_SHOT : NEXT;
}

SEC("tc") int assign_socket(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  struct bpf_sock_tuple tuple = {}, wildcard = {};
  if ((void *)(eth + 1) > end) return NEXT;
  int outbound = *(__u16 *)eth->h_source == OUTBOUND_TAG;
  if (eth->h_proto == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->protocol != IPPROTO_TCP) return NEXT;
    tuple.ipv4.saddr = ip->saddr;
    tuple.ipv4.daddr = ip->daddr;
    struct tcphdr *tcp = (void *)ip + ip->ihl * 4;
    if ((void *)(tcp + 1) > end) return NEXT;
    tuple.ipv4.sport = tcp->source;
    tuple.ipv4.dport = tcp->dest;
    return assign(skb, &tuple, sizeof(tuple.ipv4), &wildcard, outbound);
  }
#ifdef DUAL
  if (eth->h_proto == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->nexthdr != IPPROTO_TCP) return NEXT;
    __builtin_memcpy(tuple.ipv6.saddr, &ip->saddr, 16);
    __builtin_memcpy(tuple.ipv6.daddr, &ip->daddr, 16);
    struct tcphdr *tcp = (void *)(ip + 1);
    if ((void *)(tcp + 1) > end) return NEXT;
    tuple.ipv6.sport = tcp->source;
    tuple.ipv6.dport = tcp->dest;
    return assign(skb, &tuple, sizeof(tuple.ipv6), &wildcard, outbound);
  }
#endif
  return NEXT;
}
