/* SPDX-License-Identifier: Apache-2.0 */
/* What is on its way to a pod: TCP goes to the proxy, unless the host itself (a probe) or the proxy sent it. -DDUAL: IPv6 too. */
#include "common.h"

SEC("tc") int inbound(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  int host;
  if ((void *)(eth + 1) > end) return NEXT;
  FACTS
  if (eth->h_proto == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->protocol != IPPROTO_TCP) return NEXT;
    host = ip->saddr == be32(FACT(host_address, HOST_ADDRESS));
#ifdef DUAL
  } else if (eth->h_proto == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->nexthdr != IPPROTO_TCP) return NEXT;
#ifdef LOOKUP
    host = same6(&ip->saddr, node->host_address6);
#else
    const __u32 address[4] = HOST_ADDRESS6;
    host = same6(&ip->saddr, address);
#endif
#endif
  } else {
    return NEXT;
  }
  if (skb->ingress_ifindex == FACT(proxy_ifindex, PROXY_IFINDEX)) {
    count(skb, FROM_PROXY);
    return NEXT;
  }
  if (skb->ingress_ifindex == 0 && host) {
    count(skb, PROBE);
    return NEXT;
  }
  *(__u32 *)(eth->h_dest + 2) = FACT(proxy_mac_low, PROXY_MAC_LOW);
  *(__u16 *)eth->h_dest = FACT(proxy_mac_high, PROXY_MAC_HIGH);
  count(skb, CAPTURED);
  return redirect(FACT(proxy_ifindex, PROXY_IFINDEX), 0);
}
