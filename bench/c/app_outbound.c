/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of pieces/app-outbound.ts. -DDUAL: IPv6 too; -DBYPASS, -DDNS, -DCOUNT: the features of that name. */
#include "common.h"

#ifdef COUNT
#define VERDICT(reason) count(reason)
#else
#define VERDICT(reason)
#endif

SEC("tc") int app_outbound(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethernet *eth = DATA(skb);
  struct transport transport;
  int own, bypass = 0;
  if ((void *)(eth + 1) > end) return NEXT;
  FACTS
  if (eth->type == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    transport.protocol = ip->protocol;
    transport.has_ports = !(ip->frag_off & be16(0x1fff));
    transport.header = (void *)ip + ip->ihl * 4;
#ifdef BYPASS
    bypass = (ip->daddr & FACT(bypass4_mask, be32(0xffff0000))) == FACT(bypass4, be32(0xa9fe0000));
#endif
    own = ip->saddr == FACT(addresses4[0], POD4);
#ifdef DUAL
  } else if (eth->type == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (walk(ip, end, &transport)) return NEXT;
#ifdef BYPASS
    bypass = *(__u32 *)&ip->daddr == FACT(bypass6, be32(0xfd000009));
#endif
#ifdef LOOKUP
    own = same6(&ip->saddr, facts->addresses6[0], facts->addresses6[1], facts->addresses6[2], facts->addresses6[3]);
#else
    own = same6(&ip->saddr, POD6);
#endif
#endif
  } else {
    return NEXT;
  }
  if (transport.protocol != IPPROTO_TCP) {
#if defined(DNS) || defined(LOOKUP)
    if (!FACT(dns, 1)) return NEXT;
    if (transport.protocol != IPPROTO_UDP || !transport.has_ports) return NEXT;
    struct ports *ports = transport.header;
    if ((void *)(ports + 1) > end) return NEXT;
    if (ports->destination != be16(53)) return NEXT;
#else
    return NEXT;
#endif
  }
  if (bypass) {
    VERDICT(BYPASSED);
    return NEXT;
  }
  if (!own) {
    VERDICT(SPOOFED);
    return TC_ACT_SHOT;
  }
  VERDICT(CAPTURED);
  return redirect_peer(FACT(proxy_ifindex, 7), 0);
}
