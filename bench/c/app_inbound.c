/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of pieces/app-inbound.ts. -DDUAL: IPv6 and counters too. */
#include "common.h"

#ifdef DUAL
#define VERDICT(reason) count(reason)
#else
#define VERDICT(reason)
#endif

SEC("tc") int app_inbound(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethernet *eth = DATA(skb);
  __u32 came_from = skb->ingress_ifindex;
  int host;
  FACTS
  if (came_from == FACT(proxy_ifindex, 7)) return NEXT;
  if ((void *)(eth + 1) > end) return NEXT;
  if (eth->type == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->protocol != IPPROTO_TCP) return NEXT;
    host = ip->saddr == FACT(addresses4[0], be32(0x0a000001)) || ip->saddr == FACT(addresses4[1], be32(0x0af40101));
#ifdef DUAL
  } else if (eth->type == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    struct transport transport;
    if ((void *)(ip + 1) > end) return NEXT;
    if (walk(ip, end, &transport)) return NEXT;
    if (transport.protocol != IPPROTO_TCP) return NEXT;
#ifdef LOOKUP
    host = same6(&ip->saddr, facts->addresses6[0], facts->addresses6[1], facts->addresses6[2], facts->addresses6[3]);
#else
    host = same6(&ip->saddr, be32(0xfd000000), 0, 0, be32(1));
#endif
#endif
  } else {
    return NEXT;
  }
  if (came_from == 0 && host) {
    VERDICT(BYPASSED);
    return NEXT;
  }
#ifdef LOOKUP
  __builtin_memcpy(eth->destination, facts->proxy_mac, 6);
#else
  *(__u16 *)eth->destination = be16(0x0200);
  *(__u16 *)(eth->destination + 2) = 0;
  *(__u16 *)(eth->destination + 4) = be16(0x0007);
#endif
  VERDICT(CAPTURED);
  return redirect(FACT(proxy_ifindex, 7), 0);
}
