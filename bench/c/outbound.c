/* SPDX-License-Identifier: Apache-2.0 */
/* What leaves a pod: TCP, and UDP to port 53, goes to the proxy; a foreign source address is dropped. -DDUAL: IPv6 too. */
#include "common.h"

INLINE int capture(struct __sk_buff *skb, int own, __u32 proxy) {
  if (!own) {
    count(skb, SPOOFED);
    return TC_ACT_SHOT;
  }
  count(skb, CAPTURED);
  return redirect_peer(proxy, 0);
}

SEC("tc") int outbound(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  if ((void *)(eth + 1) > end) return NEXT;
  FACTS
  if (eth->h_proto == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->frag_off & be16(0x1fff)) return NEXT;
    if (ip->protocol == IPPROTO_UDP) {
      if (!FACT(dns_capture, 1)) return NEXT;
      struct udphdr *udp = (void *)ip + ip->ihl * 4;
      if ((void *)(udp + 1) > end) return NEXT;
      if (udp->dest != be16(DNS_PORT)) return NEXT;
    } else if (ip->protocol != IPPROTO_TCP) {
      return NEXT;
    }
    return capture(skb, ip->saddr == be32(FACT(pod_address, POD_ADDRESS)), FACT(proxy_ifindex, PROXY_IFINDEX));
  }
#ifdef DUAL
  if (eth->h_proto == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->nexthdr == IPPROTO_UDP) {
      if (!FACT(dns_capture, 1)) return NEXT;
      struct udphdr *udp = (void *)(ip + 1);
      if ((void *)(udp + 1) > end) return NEXT;
      if (udp->dest != be16(DNS_PORT)) return NEXT;
    } else if (ip->nexthdr != IPPROTO_TCP) {
      return NEXT;
    }
#ifdef LOOKUP
    return capture(skb, same6(&ip->saddr, node->pod_address6), node->proxy_ifindex);
#else
    const __u32 pod[4] = POD_ADDRESS6;
    return capture(skb, same6(&ip->saddr, pod), PROXY_IFINDEX);
#endif
  }
#endif
  return NEXT;
}
